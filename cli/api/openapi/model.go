package openapi

import (
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// node is a JSON object of a document. Its keys come out sorted, so that the
// same table always gives the same bytes.
type node = map[string]any

// dialect is which OpenAPI is written.
type dialect struct {
	refs string // where models are: "#/definitions/"
	v3   bool
}

var (
	dialectV2 = dialect{refs: "#/definitions/"}
	dialectV3 = dialect{refs: "#/components/schemas/", v3: true}
)

// models gathers the models of types and of all that they mention.
type models struct {
	dialect
	out node
}

func newModels(d dialect) *models { return &models{dialect: d, out: node{}} }

// What a type may say of itself.
type (
	named     interface{ OpenAPIModelName() string }
	described interface{ SwaggerDoc() map[string]string }
	typed     interface {
		OpenAPISchemaType() []string
		OpenAPISchemaFormat() string
	}
	choosing interface{ OpenAPIV3OneOfTypes() []string }
)

// ask answers what the type, or a pointer to it, says of itself.
func ask[T any](t reflect.Type) (says T, ok bool) {
	says, ok = reflect.New(t).Interface().(T)
	return says, ok
}

// nameOf is the model's name: io.k8s.api.core.v1.Pod.
func nameOf(t reflect.Type) string {
	if says, ok := ask[named](t); ok {
		return says.OpenAPIModelName()
	}
	host, rest, _ := strings.Cut(t.PkgPath(), "/")
	parts := strings.Split(host, ".")
	slices.Reverse(parts)
	return strings.Join(append(parts, strings.ReplaceAll(rest, "/", "."), t.Name()), ".")
}

// add makes the model of a Go value's type, and tells clients which kinds it is.
func (m *models) add(value any, kinds ...schema.GroupVersionKind) string {
	name := m.model(reflect.TypeOf(value).Elem())
	if len(kinds) > 0 {
		model := m.out[name].(node)
		list, _ := model[extensionKind].([]node)
		for _, gvk := range kinds {
			if entry := kindNode(gvk); !slices.ContainsFunc(list, func(n node) bool { return reflect.DeepEqual(n, entry) }) {
				list = append(list, entry)
			}
		}
		model[extensionKind] = list
	}
	return name
}

// The extensions that kubectl reads.
const (
	extensionKind   = "x-kubernetes-group-version-kind"
	extensionAction = "x-kubernetes-action"
	extensionMerge  = "x-kubernetes-patch-strategy"
	extensionKey    = "x-kubernetes-patch-merge-key"
)

func kindNode(gvk schema.GroupVersionKind) node {
	return node{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}
}

// model makes the model of a named type once, and answers its name.
func (m *models) model(t reflect.Type) string {
	name := nameOf(t)
	if _, done := m.out[name]; done {
		return name
	}
	model := node{}
	m.out[name] = model // before its fields: types may contain themselves
	docs := docsOf(t)
	if text := docs[""]; text != "" {
		model["description"] = text
	}
	if says, ok := ask[typed](t); ok {
		m.scalar(model, t, says)
		return name
	}
	model["type"] = "object"
	properties, required := node{}, []string{}
	m.fields(t, properties, &required)
	if len(properties) > 0 {
		model["properties"] = properties
	}
	if len(required) > 0 {
		slices.Sort(required)
		model["required"] = slices.Compact(required)
	}
	return name
}

// scalar is a struct that is written as a plain value: a time, a quantity.
func (m *models) scalar(model node, t reflect.Type, says typed) {
	if format := says.OpenAPISchemaFormat(); format != "" {
		model["format"] = format
	}
	if choice, ok := ask[choosing](t); ok && m.v3 {
		var of []node
		for _, name := range choice.OpenAPIV3OneOfTypes() {
			of = append(of, node{"type": name})
		}
		model["oneOf"] = of
		return
	}
	model["type"] = says.OpenAPISchemaType()[0]
}

// docsOf are a type's descriptions by JSON field; "" is its own.
func docsOf(t reflect.Type) map[string]string {
	if says, ok := ask[described](t); ok {
		return says.SwaggerDoc()
	}
	return nil
}

// ref points to a model.
func (m *models) ref(name string) node { return node{"$ref": m.refs + name} }

// common adds the models that every group's operations mention.
func (m *models) common(versions []schema.GroupVersion) {
	m.add(&metav1.Status{}, schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	m.add(&metav1.Patch{})
	for _, gv := range versions {
		m.add(&metav1.DeleteOptions{}, gv.WithKind("DeleteOptions"))
		m.add(&metav1.WatchEvent{}, gv.WithKind("WatchEvent"))
	}
}
