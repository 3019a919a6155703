package events

import (
	"errors"
	"fmt"
	"reflect"
)

// statusField is the number of the status field in the protobuf of every
// built-in kind that has one; 1 is metadata, 2 is spec.
const statusField = 3

// Sections are the bodies of an object's two sections. Spec followed by Status
// is itself the object's protobuf.
type Sections struct {
	Spec   []byte
	Status []byte // nil when the kind has no status section
}

// Size is the number of bytes that the object takes.
func (s Sections) Size() int { return len(s.Spec) + len(s.Status) }

// Encode cuts an object into its sections, without resourceVersion and
// selfLink. The same object always gives the same bytes; obj is not written to.
func (k *Kind) Encode(obj Object) (Sections, error) {
	bare := shallow(obj)
	bare.SetResourceVersion("")
	bare.SetSelfLink("")
	m, ok := bare.(message)
	if !ok {
		return Sections{}, fmt.Errorf("encode %s: %T has no protobuf form", k.GVK.Kind, obj)
	}
	data, err := m.Marshal()
	if err != nil {
		return Sections{}, fmt.Errorf("encode %s %s/%s: %w", k.GVK.Kind, obj.GetNamespace(), obj.GetName(), err)
	}
	if !k.HasStatus {
		return Sections{Spec: data}, nil
	}
	s, err := cut(data)
	if err != nil {
		return Sections{}, fmt.Errorf("encode %s %s/%s: %w", k.GVK.Kind, obj.GetNamespace(), obj.GetName(), err)
	}
	return s, nil
}

// Decode puts an object together again.
func (k *Kind) Decode(s Sections) (Object, error) {
	obj := k.New()
	m, ok := obj.(message)
	if !ok {
		return nil, fmt.Errorf("%T has no protobuf form", obj)
	}
	body := s.Spec
	if len(s.Status) > 0 {
		body = append(append(make([]byte, 0, s.Size()), s.Spec...), s.Status...)
	}
	if err := m.Unmarshal(body); err != nil {
		return nil, err
	}
	return obj, nil
}

// shallow copies the struct but nothing it points to: enough to change its
// strings while others read the original.
func shallow(obj Object) Object {
	from := reflect.ValueOf(obj).Elem()
	to := reflect.New(from.Type())
	to.Elem().Set(from)
	return to.Interface().(Object)
}

var errProtobuf = errors.New("malformed protobuf")

// cut splits an object's protobuf at its top-level fields. Almost always the
// status is the last field, and both sections are then slices of data.
func cut(data []byte) (Sections, error) {
	var s Sections
	for at := 0; at < len(data); {
		number, _, size := nextField(data[at:])
		if size == 0 {
			return Sections{}, fmt.Errorf("%w at byte %d", errProtobuf, at)
		}
		part := data[at : at+size : at+size]
		section := &s.Spec
		if number == statusField {
			section = &s.Status
		}
		if *section == nil {
			*section = part
		} else {
			*section = join(data, *section, part, at)
		}
		at += size
	}
	return s, nil
}

// join appends a part that starts at the given offset of data, without
// copying when it lies right behind the section.
func join(data, section, part []byte, at int) []byte {
	if from := at - len(section); from >= 0 && &data[from] == &section[0] {
		return data[from : at+len(part) : at+len(part)]
	}
	return append(section, part...)
}

// setStatus gives to the status of from. Both are the kind's own type, and
// what the status points to is then shared.
func setStatus(to, from Object) {
	reflect.ValueOf(to).Elem().FieldByName("Status").Set(reflect.ValueOf(from).Elem().FieldByName("Status"))
}
