package sandbox

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// lastApplied is where clients that apply keep what they applied last.
const lastApplied = corev1.LastAppliedConfigAnnotation

// apply makes an object what its manifest says, as `segno apply` does at the
// client: what the manifest before had and this one has not, goes.
func (s *Sandbox) apply(ctx context.Context, kind *events.Kind, obj events.Object, manifest []byte, cmd events.Command) (events.Outcome, error) {
	modified, err := annotated(manifest)
	if err != nil {
		return events.Outcome{}, err
	}
	key := kind.KeyOf(obj)
	have, err := s.View().Get(key)
	if err != nil {
		return events.Outcome{}, fmt.Errorf("read %s: %w", key, err)
	}
	if have == nil {
		cmd.Action, err = creation(kind, key, modified, s.truth().Position().Seq)
	} else {
		cmd.Action, err = merge(kind, key, have, modified)
	}
	if err != nil {
		return events.Outcome{}, err
	}
	return s.Submit(ctx, cmd)
}

// annotated is the manifest that remembers itself.
func annotated(manifest []byte) ([]byte, error) {
	obj := &unstructured.Unstructured{}
	if err := json.Unmarshal(manifest, &obj.Object); err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	annotations := obj.GetAnnotations()
	delete(annotations, lastApplied)
	obj.SetAnnotations(annotations)
	itself, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastApplied] = string(itself)
	obj.SetAnnotations(annotations)
	return json.Marshal(obj.Object)
}

func creation(kind *events.Kind, key proto.ObjectKey, modified []byte, seq proto.Seq) (events.Action, error) {
	obj, _, err := events.DecodeBody(kind, events.MediaJSON, modified, events.ValidateIgnore)
	if err != nil {
		return nil, err
	}
	return events.Create{Key: key, Object: obj, UID: reconcilers.UID("supposed", key, seq)}, nil
}

func merge(kind *events.Kind, key proto.ObjectKey, have events.Object, modified []byte) (events.Action, error) {
	current, err := json.Marshal(have)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", key, err)
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(kind.New())
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", key, err)
	}
	original := []byte(have.GetAnnotations()[lastApplied])
	patch, err := strategicpatch.CreateThreeWayMergePatch(original, modified, current, schema, true)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", key, err)
	}
	return events.Patch{Key: key, Type: types.StrategicMergePatchType, Data: patch, Validation: events.ValidateIgnore}, nil
}
