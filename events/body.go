package events

import (
	"bytes"
	"fmt"
	"mime"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// The media types of bodies.
const (
	MediaJSON     = "application/json"
	MediaYAML     = "application/yaml"
	MediaProtobuf = "application/vnd.kubernetes.protobuf"
)

// protobufMagic begins the envelope of a Kubernetes protobuf body.
var protobufMagic = []byte("k8s\x00")

// DecodeBody reads an object of the kind from a request body. Every error is
// an *apierrors.StatusError. What is unknown or said twice is an error, a
// warning or nothing, as validation says ("" is Warn).
func DecodeBody(kind *Kind, contentType string, body []byte, validation FieldValidation) (Object, []string, error) {
	obj := kind.New()
	warnings, err := DecodeInto(obj, kind.GVK, contentType, body, validation)
	if err != nil {
		return nil, nil, err
	}
	return obj, warnings, nil
}

// DecodeInto is DecodeBody for what is not in the table: Scale, Binding,
// DeleteOptions. A body without apiVersion and kind is taken to be gvk.
func DecodeInto(into runtime.Object, gvk schema.GroupVersionKind, contentType string, body []byte, validation FieldValidation) ([]string, error) {
	media := MediaJSON
	if contentType != "" {
		parsed, _, err := mime.ParseMediaType(contentType)
		if err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("Content-Type %q: %v", contentType, err))
		}
		media = parsed
	}
	b := incoming{gvk: gvk, data: body, into: into}
	var err error
	switch media {
	case MediaJSON:
		err = b.json()
	case MediaYAML:
		err = b.yaml()
	case MediaProtobuf:
		err = b.protobuf()
	default:
		err = unsupported(fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: %s, %s, %s",
			MediaJSON, MediaYAML, MediaProtobuf))
	}
	if err != nil {
		return nil, err
	}
	into.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return b.judge(validation)
}

// incoming is the decoding of one body.
type incoming struct {
	gvk  schema.GroupVersionKind // expected
	is   schema.GroupVersionKind // what the body says it is
	data []byte
	into runtime.Object
	odd  []error // unknown and duplicate fields
}

func (b *incoming) json() error {
	if err := crowded(b.data); err != nil {
		return err
	}
	var meta metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(b.data, &meta); err != nil {
		return b.unreadable(err)
	}
	if err := b.check(meta.APIVersion, meta.Kind); err != nil {
		return err
	}
	odd, err := kjson.UnmarshalStrict(b.data, b.into)
	if err != nil {
		return b.unreadable(fmt.Errorf("%w%s", err, at(locate(b.data, b.into))))
	}
	b.odd = append(b.odd, odd...)
	return nil
}

func (b *incoming) yaml() error {
	data, err := yaml.YAMLToJSON(b.data)
	if err != nil {
		return b.unreadable(err)
	}
	if _, err := yaml.YAMLToJSONStrict(b.data); err != nil {
		b.odd = append(b.odd, err)
	}
	b.data = data
	return b.json()
}

func (b *incoming) protobuf() error {
	raw, ok := bytes.CutPrefix(b.data, protobufMagic)
	if !ok {
		return b.unreadable(fmt.Errorf("provided data does not appear to be a protobuf message, expected prefix %v", protobufMagic))
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(raw); err != nil {
		return b.unreadable(err)
	}
	if err := b.check(envelope.APIVersion, envelope.Kind); err != nil {
		return err
	}
	m, ok := b.into.(message)
	if !ok {
		return unsupported(fmt.Sprintf("%s has no protobuf form", b.gvk.Kind))
	}
	if err := crowdedProtobuf(envelope.Raw, m); err != nil {
		return err
	}
	if err := m.Unmarshal(envelope.Raw); err != nil {
		return b.unreadable(err)
	}
	return nil
}

// check compares what a body says it is with what is expected.
func (b *incoming) check(apiVersion, kind string) error {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return apierrors.NewBadRequest(clip(err.Error()))
	}
	b.is = version.WithKind(kind)
	if apiVersion == "" {
		b.is.Group, b.is.Version = b.gvk.Group, b.gvk.Version
	}
	if kind == "" {
		b.is.Kind = b.gvk.Kind
	}
	switch {
	case b.is.GroupVersion() != b.gvk.GroupVersion():
		return apierrors.NewBadRequest(fmt.Sprintf(
			"the API version in the data (%s) does not match the expected API version (%s)", clip(b.is.GroupVersion().String()), b.gvk.GroupVersion()))
	case b.is.Kind != b.gvk.Kind:
		return apierrors.NewBadRequest(fmt.Sprintf(
			"%s in version %q cannot be handled as a %s", clip(b.is.Kind), b.is.Version, b.gvk.Kind))
	}
	return nil
}

// judge decides what becomes of odd fields.
func (b *incoming) judge(validation FieldValidation) ([]string, error) {
	if len(b.odd) == 0 || validation == ValidateIgnore {
		return nil, nil
	}
	if validation == ValidateStrict {
		return nil, b.unreadable(runtime.NewStrictDecodingError(b.odd))
	}
	warnings := make([]string, len(b.odd))
	for i, err := range b.odd {
		warnings[i] = err.Error()
	}
	return warnings, nil
}

func (b *incoming) unreadable(err error) error {
	why := clip(err.Error())
	if b.is.Kind != "" {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %s", b.is.Kind, b.is.Version, b.gvk.Kind, why))
	}
	return apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s): %s (%s)", b.gvk.Kind, why, summary(b.data)))
}

// summary shows the beginning of a body that nobody could read.
func summary(data []byte) string {
	const most = 30
	switch {
	case len(data) == 0:
		return "empty body"
	case utf8.Valid(data):
		return fmt.Sprintf("%q", string(data[:min(len(data), most)]))
	default:
		return fmt.Sprintf("%x", data[:min(len(data), most)])
	}
}
