package condition

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// fieldOf is where a field of a Go struct lies, by its name in JSON.
type fieldOf struct {
	index     []int
	omitEmpty bool
}

// layout is a struct as JSON shows it.
type layout struct {
	fields map[string]fieldOf
	names  []string // sorted
}

var layouts sync.Map // reflect.Type to *layout: computed once a type, never changed

func layoutOf(t reflect.Type) *layout {
	if known, ok := layouts.Load(t); ok {
		return known.(*layout)
	}
	out := &layout{fields: map[string]fieldOf{}}
	out.add(t, nil)
	for name := range out.fields {
		out.names = append(out.names, name)
	}
	slices.Sort(out.names)
	known, _ := layouts.LoadOrStore(t, out)
	return known.(*layout)
}

func (l *layout) add(t reflect.Type, above []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		index := append(slices.Clone(above), i)
		switch {
		case name == "-" || !field.IsExported() && !field.Anonymous:
		case name == "" && field.Anonymous && field.Type.Kind() == reflect.Struct:
			l.add(field.Type, index) // what is embedded without a name is inlined
		default:
			if name == "" {
				name = field.Name
			}
			l.fields[name] = fieldOf{index: index, omitEmpty: strings.Contains(options, "omitempty")}
		}
	}
}

// find is the field of a struct value.
func (l *layout) find(v reflect.Value, name string) (field reflect.Value, omitEmpty, ok bool) {
	at, ok := l.fields[name]
	if !ok {
		return field, false, false
	}
	return v.FieldByIndex(at.index), at.omitEmpty, true
}
