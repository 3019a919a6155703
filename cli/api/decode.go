package api

import (
	"bytes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/yaml"

	"segno/events"
)

// decodeObject reads an object of the call's kind from the body.
func (c *call) decodeObject(opts writeOptions) (events.Object, error) {
	data, err := c.readBody()
	if err != nil {
		return nil, err
	}
	obj, warnings, err := events.DecodeBody(c.kind, c.r.Header.Get("Content-Type"), data, opts.validation)
	if err != nil {
		return nil, err
	}
	c.warn(warnings...)
	return obj, nil
}

// decodeBody reads an object that is not in the table from the body.
func (c *call) decodeBody(into runtime.Object, gvk schema.GroupVersionKind) error {
	data, err := c.readBody()
	if err != nil {
		return err
	}
	return c.decodeInto(into, gvk, data)
}

func (c *call) decodeInto(into runtime.Object, gvk schema.GroupVersionKind, data []byte) error {
	warnings, err := events.DecodeInto(into, gvk, c.r.Header.Get("Content-Type"), data, events.ValidateWarn)
	c.warn(warnings...)
	return err
}

// decodeDelete reads DeleteOptions. They belong to every group: clients write
// v1, meta.k8s.io/v1 or the group that they delete in.
func (c *call) decodeDelete(data []byte, into *metav1.DeleteOptions) error {
	gvk := metav1.SchemeGroupVersion.WithKind("DeleteOptions")
	var meta runtime.TypeMeta
	if raw, ok := bytes.CutPrefix(data, []byte(protobufMagic)); ok {
		var wrapped runtime.Unknown
		if wrapped.Unmarshal(raw) == nil {
			meta = wrapped.TypeMeta
		}
	} else {
		_ = yaml.Unmarshal(data, &meta) // JSON is YAML; what is broken is told below
	}
	if gv, err := schema.ParseGroupVersion(meta.APIVersion); err == nil && !gv.Empty() {
		gvk = gv.WithKind(gvk.Kind)
	}
	return c.decodeInto(into, gvk, data)
}
