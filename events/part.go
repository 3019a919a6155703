package events

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// part is an object seen through some of its top-level fields. A patch names
// the few that it touches; turning only those into a document and back is what
// makes patching a status cheap.
type part struct {
	object Object
	names  []string
	fields []int // the struct's fields of these names; nil is all of them
}

// partOf selects the fields with the given JSON names; nil is all.
func partOf(obj Object, names []string) part {
	p := part{object: obj, names: names}
	if names == nil {
		return p
	}
	p.fields = []int{}
	t := reflect.TypeOf(obj).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && slices.Contains(names, name) {
			p.fields = append(p.fields, i)
		}
	}
	return p
}

// empty is a new object of the same type.
func (p part) empty() Object {
	return reflect.New(reflect.TypeOf(p.object).Elem()).Interface().(Object)
}

// copyFields gives to the part's fields of from.
func (p part) copyFields(to, from Object) {
	dst, src := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for _, i := range p.fields {
		dst.Field(i).Set(src.Field(i))
	}
}

// document is the part as a JSON document, which shares nothing with the object.
func (p part) document() (map[string]any, error) {
	if p.fields == nil {
		return runtime.DefaultUnstructuredConverter.ToUnstructured(p.object)
	}
	alone := p.empty()
	p.copyFields(alone, p.object)
	doc, err := runtime.DefaultUnstructuredConverter.ToUnstructured(alone)
	if err != nil {
		return nil, err
	}
	for name := range doc { // fields without omitempty are written though they are empty
		if !slices.Contains(p.names, name) {
			delete(doc, name)
		}
	}
	return doc, nil
}

// with answers a copy of the object whose part is that of fresh.
func (p part) with(fresh Object) Object {
	if p.fields == nil {
		return fresh
	}
	out := Copy(p.object)
	p.copyFields(out, fresh)
	return out
}

// mergedInto lists the top-level fields that a merge patch touches; a
// directive among them can touch any.
func mergedInto(change map[string]any) []string {
	names := make([]string, 0, len(change))
	for name := range change {
		if strings.HasPrefix(name, "$") {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// operatedOn lists the top-level fields that a JSON patch reads or writes; one
// that takes the whole document touches all.
func operatedOn(ops []operation) []string {
	names := []string{}
	for _, op := range ops {
		if len(op.path) == 0 || op.from != nil && len(op.from) == 0 {
			return nil
		}
		names = append(names, op.path[0])
		if op.from != nil {
			names = append(names, op.from[0])
		}
	}
	return names
}
