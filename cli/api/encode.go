package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// protobufMagic starts every Kubernetes protobuf document; a runtime.Unknown
// follows.
const protobufMagic = "k8s\x00"

// marshaler is what generated protobuf gives every built-in type.
type marshaler interface{ Marshal() ([]byte, error) }

// encode writes one object, with its kind and version, in the form asked for.
func encode(obj runtime.Object, gvk schema.GroupVersionKind, a accept) ([]byte, error) {
	if a.format == formatProtobuf {
		if m, ok := obj.(marshaler); ok {
			return encodeProtobuf(m, gvk)
		}
		return nil, notAcceptable()
	}
	data, err := json.Marshal(stamped(obj, gvk))
	if err != nil {
		return nil, fmt.Errorf("encode %s as JSON: %w", gvk, err)
	}
	return dress(data, a)
}

// dress turns compact JSON into what the client asked for.
func dress(data []byte, a accept) ([]byte, error) {
	switch {
	case a.format == formatYAML:
		out, err := yaml.JSONToYAML(data)
		if err != nil {
			return nil, fmt.Errorf("encode as YAML: %w", err)
		}
		return out, nil
	case a.pretty:
		var out bytes.Buffer
		if err := json.Indent(&out, data, "", "  "); err != nil {
			return nil, fmt.Errorf("indent JSON: %w", err)
		}
		out.WriteByte('\n')
		return out.Bytes(), nil
	default:
		return append(data, '\n'), nil
	}
}

func encodeProtobuf(m marshaler, gvk schema.GroupVersionKind) ([]byte, error) {
	raw, err := m.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode %s as protobuf: %w", gvk, err)
	}
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	body, err := unknown.Marshal()
	if err != nil {
		return nil, fmt.Errorf("wrap protobuf of %s: %w", gvk, err)
	}
	return append([]byte(protobufMagic), body...), nil
}

// stamped is the object with apiVersion and kind set, or cleared when gvk is
// empty (items of a list). Objects are shared, so a shallow copy carries them.
func stamped(obj runtime.Object, gvk schema.GroupVersionKind) runtime.Object {
	if obj.GetObjectKind().GroupVersionKind() == gvk {
		return obj
	}
	source := reflect.ValueOf(obj)
	shallow := reflect.New(source.Elem().Type())
	shallow.Elem().Set(source.Elem())
	out := shallow.Interface().(runtime.Object)
	out.GetObjectKind().SetGroupVersionKind(gvk)
	return out
}
