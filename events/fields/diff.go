// Package fields is objects as their fields: what differs between two versions
// of one, and what comes of taking a change out of it again.
//
// What comes in: objects, or the JSON form of one. What goes out: changes by
// path, and merged fields.
//
// What never happens here: I/O, a clock reading, or a rule of one kind: fields
// are compared generically, and the elements of a list by what names them.
//
// Start with diff.go; merge.go does to an object what leads from one to another,
// list.go says when two elements are the same one.
package fields

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
	was, err := Of(before)
	if err != nil {
		return nil, err
	}
	is, err := Of(after)
	if err != nil {
		return nil, err
	}
	return Compare(was, is)
}

// Compare is Diff of what Of answers.
func Compare(was, is map[string]any) ([]Change, error) {
	d := differ{}
	d.compare("", was, is)
	slices.SortStableFunc(d.out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return d.out, d.err
}

// Of is an object as JSON sees it; nil is no object. Numbers keep their digits.
func Of(obj events.Object) (map[string]any, error) {
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
	for key := range union(was, is) {
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

// element adds an element of a list to a path.
func element(path, name string) string { return path + "[" + name + "]" }

// lists compares element by element: by the field that names them when all
// have one, else by place.
func (d *differ) lists(path string, was, is []any) {
	if scalars(was) && scalars(is) {
		d.out = append(d.out, Change{Path: path, Old: d.raw(nilIfEmpty(was)), New: d.raw(nilIfEmpty(is))})
		return
	}
	if field, ok := named(was, is); ok {
		a, b := byName(was, field), byName(is, field)
		for key := range union(a, b) {
			d.compare(element(path, key), a[key], b[key])
		}
		return
	}
	for i := range max(len(was), len(is)) {
		d.compare(element(path, strconv.Itoa(i)), at(was, i), at(is, i))
	}
}
