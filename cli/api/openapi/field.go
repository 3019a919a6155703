package openapi

import (
	"reflect"
	"strings"
)

// fields adds the JSON fields of a struct, those of embedded ones too.
func (m *models) fields(t reflect.Type, into node, required *[]string) {
	docs := docsOf(t)
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
			continue
		case f.Anonymous && (name == "" || strings.Contains(options, "inline")):
			m.fields(f.Type, into, required)
			continue
		case name == "":
			continue
		}
		into[name] = m.describe(m.property(f.Type), docs[name], f.Tag)
		if mandatory(t, name, options) {
			*required = append(*required, name)
		}
	}
}

// describe adds what the field says beyond its type.
func (m *models) describe(property node, text string, tag reflect.StructTag) node {
	extra := node{}
	if text != "" {
		extra["description"] = text
	}
	if strategy := tag.Get("patchStrategy"); strategy != "" {
		extra[extensionMerge] = strategy
	}
	if key := tag.Get("patchMergeKey"); key != "" {
		extra[extensionKey] = key
	}
	if len(extra) == 0 {
		return property
	}
	if _, isRef := property["$ref"]; isRef && m.v3 {
		property = node{"allOf": []node{property}} // v3 ignores what stands beside a $ref
	}
	for key, value := range extra {
		property[key] = value
	}
	return property
}

// mandatory tells whether a field must be given: it is always written.
func mandatory(t reflect.Type, name, options string) bool {
	if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
		return false
	}
	return !optional[t.Name()+"."+name]
}

// property is the schema of a value of the type.
func (m *models) property(t reflect.Type) node {
	switch t.Kind() {
	case reflect.Pointer:
		return m.property(t.Elem())
	case reflect.Struct:
		return m.ref(m.model(t))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return node{"type": "string", "format": "byte"}
		}
		return node{"type": "array", "items": m.property(t.Elem())}
	case reflect.Map:
		return node{"type": "object", "additionalProperties": m.property(t.Elem())}
	case reflect.Bool:
		return node{"type": "boolean"}
	case reflect.Int32, reflect.Uint32, reflect.Int16, reflect.Uint16:
		return node{"type": "integer", "format": "int32"}
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		return node{"type": "integer", "format": "int64"}
	case reflect.Float32, reflect.Float64:
		return node{"type": "number", "format": "double"}
	case reflect.String:
		return node{"type": "string"}
	default:
		return node{"type": "object"}
	}
}
