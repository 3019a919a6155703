package fields

import (
	"reflect"
	"slices"
	"strconv"
)

// Field is one place at which base and wanted differ: the smallest part that
// can be set by itself. An absent value is nil.
type Field struct {
	Path              string
	Base, Now, Wanted any
}

// Moved tells whether the field is no longer as it was in base.
func (f Field) Moved() bool { return !reflect.DeepEqual(f.Base, f.Now) }

// Merge does to now what leads from base to wanted, field by field: settle is
// asked about each field that would change, and answers whether it does. None of
// what comes in is written to, but the result shares parts with it.
//
// A part that is a structure is one field where one of the three lacks it: half of
// a probe or of a container is none. Maps of plain values, such as labels, are
// merged key by key; lists element by element where the elements have names.
func Merge(base, now, wanted map[string]any, settle func(Field) bool) map[string]any {
	out, _ := (&merger{settle: settle}).merge(Field{Base: base, Now: now, Wanted: wanted}).(map[string]any)
	return out
}

type merger struct{ settle func(Field) bool }

func (m *merger) merge(f Field) any {
	if slices.Contains(hidden, f.Path) || reflect.DeepEqual(f.Base, f.Wanted) || reflect.DeepEqual(f.Now, f.Wanted) {
		return f.Now
	}
	if base, now, wanted, ok := three[map[string]any](f); ok && (whole(f) || flat(base, now, wanted)) {
		return m.maps(f, base, now, wanted)
	}
	if base, now, wanted, ok := three[[]any](f); ok {
		if field, ok := named(base, now, wanted); ok && !scalars(slices.Concat(base, now, wanted)) {
			return m.elements(f, field, base, now, wanted)
		}
		if len(base) == len(now) && len(now) == len(wanted) && !scalars(now) {
			return m.places(f.Path, base, now, wanted)
		}
	}
	if m.settle(f) {
		return f.Wanted
	}
	return f.Now
}

// three tells whether all that is there is of one shape.
func three[T map[string]any | []any](f Field) (base, now, wanted T, ok bool) {
	base, okBase := f.Base.(T)
	now, okNow := f.Now.(T)
	wanted, okWanted := f.Wanted.(T)
	return base, now, wanted, (okBase || f.Base == nil) && (okNow || f.Now == nil) && (okWanted || f.Wanted == nil)
}

func whole(f Field) bool { return f.Base != nil && f.Now != nil && f.Wanted != nil }

// flat tells whether maps hold plain values only.
func flat(all ...map[string]any) bool {
	for _, fields := range all {
		for _, value := range fields {
			if !scalars([]any{value}) {
				return false
			}
		}
	}
	return true
}

func (m *merger) maps(f Field, base, now, wanted map[string]any) any {
	out := map[string]any{}
	for key := range union(union(base, now), wanted) {
		part := m.merge(Field{Path: join(f.Path, key), Base: base[key], Now: now[key], Wanted: wanted[key]})
		if part != nil {
			out[key] = part
		}
	}
	if len(out) == 0 && !empty(now) && !empty(wanted) {
		return nil
	}
	return out
}

// empty tells whether a map is there and holds nothing.
func empty(fields map[string]any) bool { return fields != nil && len(fields) == 0 }

func (m *merger) places(path string, base, now, wanted []any) any {
	out := make([]any, len(now))
	for i := range now {
		out[i] = m.merge(Field{Path: element(path, strconv.Itoa(i)), Base: base[i], Now: now[i], Wanted: wanted[i]})
	}
	return out
}

// elements merges lists whose elements have names. One that is missing in one of
// the three is a field as a whole.
func (m *merger) elements(f Field, field string, base, now, wanted []any) any {
	b, n, w := byName(base, field), byName(now, field), byName(wanted, field)
	merged := map[string]any{}
	for name := range union(union(b, n), w) {
		part := Field{Path: element(f.Path, name), Base: b[name], Now: n[name], Wanted: w[name]}
		value := part.Now
		switch {
		case whole(part):
			value = m.merge(part)
		case !reflect.DeepEqual(part.Base, part.Wanted) && !reflect.DeepEqual(part.Now, part.Wanted) && m.settle(part):
			value = part.Wanted
		}
		if value != nil {
			merged[name] = value
		}
	}
	order := ordered(namesIn(base, field), namesIn(now, field), namesIn(wanted, field), merged)
	if len(order) == 0 {
		return nil // of all lists that objects have, none means the same as an empty one
	}
	out := make([]any, len(order))
	for i, name := range order {
		out[i] = merged[name]
	}
	return out
}

func namesIn(list []any, field string) []string {
	var out []string
	for _, item := range list {
		name, _ := nameIn(item, field)
		out = append(out, name)
	}
	return out
}

// ordered is the order of merged elements: as wanted where nobody touched it
// since, else as now, with what comes back behind what it stood behind.
func ordered(base, now, wanted []string, merged map[string]any) []string {
	lacks := func(name string) bool { return merged[name] == nil }
	if slices.Equal(base, now) && len(merged) == len(wanted) && !slices.ContainsFunc(wanted, lacks) {
		return wanted
	}
	out := slices.DeleteFunc(slices.Clone(now), lacks)
	for i, name := range wanted {
		if lacks(name) || slices.Contains(out, name) {
			continue
		}
		at := 0
		for _, before := range slices.Backward(wanted[:i]) {
			if found := slices.Index(out, before); found >= 0 {
				at = found + 1
				break
			}
		}
		out = slices.Insert(out, at, name)
	}
	return out
}
