package history

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"segno/events"
)

// Change is one field that differs. Old is absent where the field is new, New
// where it is gone.
type Change struct {
	Path string          `json:"path"` // spec.template.spec.containers[web].image
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

// hidden are fields that say nothing to people: bookkeeping of every write.
var hidden = []string{"metadata.resourceVersion", "metadata.managedFields", "metadata.generation"}

// Diff compares two versions of an object, field by field; nil is no object.
// The result is in the order of paths.
func Diff(before, after events.Object) ([]Change, error) {
	was, err := fieldsOf(before)
	if err != nil {
		return nil, err
	}
	is, err := fieldsOf(after)
	if err != nil {
		return nil, err
	}
	d := differ{}
	d.compare("", was, is)
	slices.SortStableFunc(d.out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return d.out, d.err
}

// fieldsOf is an object as JSON sees it.
func fieldsOf(obj events.Object) (map[string]any, error) {
	if obj == nil || reflect.ValueOf(obj).IsNil() {
		return nil, nil
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("show %s %s as fields: %w", obj.GetNamespace(), obj.GetName(), err)
	}
	var out map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("show %s %s as fields: %w", obj.GetNamespace(), obj.GetName(), err)
	}
	return out, nil
}

type differ struct {
	out []Change
	err error
}

func (d *differ) compare(path string, was, is any) {
	if slices.Contains(hidden, path) || reflect.DeepEqual(was, is) {
		return
	}
	if a, b, ok := both[map[string]any](was, is); ok {
		d.maps(path, a, b)
		return
	}
	if a, b, ok := both[[]any](was, is); ok {
		d.lists(path, a, b)
		return
	}
	change := Change{Path: path, Old: d.raw(was), New: d.raw(is)}
	if change.Old != nil || change.New != nil {
		d.out = append(d.out, change)
	}
}

// both tells whether the two are of one shape; a missing one counts as empty,
// so that what is new is shown by its fields.
func both[T map[string]any | []any](was, is any) (a, b T, ok bool) {
	a, aOK := was.(T)
	b, bOK := is.(T)
	return a, b, (aOK && (bOK || is == nil)) || (bOK && was == nil)
}

func (d *differ) raw(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		d.err = fmt.Errorf("show a field: %w", err)
	}
	return data
}

func (d *differ) maps(path string, was, is map[string]any) {
	keys := map[string]bool{}
	for key := range was {
		keys[key] = true
	}
	for key := range is {
		keys[key] = true
	}
	for key := range keys {
		d.compare(join(path, key), was[key], is[key])
	}
}

// join adds a field to a path; keys with dots, as labels have, in brackets.
func join(path, key string) string {
	if strings.ContainsAny(key, "./[]") {
		return path + "[" + key + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// lists compares element by element: by the field that names them when all
// have one, else by place.
func (d *differ) lists(path string, was, is []any) {
	if scalars(was) && scalars(is) {
		d.out = append(d.out, Change{Path: path, Old: d.raw(nilIfEmpty(was)), New: d.raw(nilIfEmpty(is))})
		return
	}
	for _, field := range []string{"name", "type", "uid", "ip", "key", "containerPort", "port", "mountPath"} {
		a, okA := byName(was, field)
		b, okB := byName(is, field)
		if okA && okB {
			for key := range union(a, b) {
				d.compare(path+"["+key+"]", a[key], b[key])
			}
			return
		}
	}
	for i := range max(len(was), len(is)) {
		d.compare(path+"["+strconv.Itoa(i)+"]", at(was, i), at(is, i))
	}
}

func scalars(list []any) bool {
	for _, item := range list {
		switch item.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

func nilIfEmpty(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// byName indexes a list of maps by a field; ok is false when one lacks it or
// two share a value.
func byName(list []any, field string) (map[string]any, bool) {
	out := map[string]any{}
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok || fields[field] == nil {
			return nil, false
		}
		name := fmt.Sprint(fields[field])
		if _, twice := out[name]; twice {
			return nil, false
		}
		out[name] = fields
	}
	return out, true
}

func union(a, b map[string]any) map[string]bool {
	out := map[string]bool{}
	for key := range a {
		out[key] = true
	}
	for key := range b {
		out[key] = true
	}
	return out
}
