package undo

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/fields"
)

// systems are metadata that no one who writes an object decides about.
var systems = []string{
	"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink",
}

// quiet is a field that repeats others, as kubectl last wrote them: that it was
// written since is no news beside them.
const quiet = "metadata.annotations[" + corev1.LastAppliedConfigAnnotation + "]"

// intent is what somebody wants of an object: its fields without the status and
// what the system keeps in the metadata; nil is no object.
func intent(kind *events.Kind, obj events.Object) (map[string]any, error) {
	out, err := fields.Of(obj)
	if err != nil || out == nil {
		return nil, err
	}
	delete(out, "status")
	delete(out, "apiVersion")
	delete(out, "kind")
	if meta, ok := out["metadata"].(map[string]any); ok {
		for _, field := range systems {
			delete(meta, field)
		}
	}
	if kind.Resource == namespaces {
		delete(out, "spec") // its finalizers are the control plane's
	}
	return out, nil
}

// realize makes an object of the kind from its fields.
func realize(kind *events.Kind, wanted map[string]any) (events.Object, error) {
	data, err := json.Marshal(wanted)
	if err != nil {
		return nil, fmt.Errorf("make a %s: %w", kind.GVK.Kind, err)
	}
	obj := kind.New()
	if err := json.Unmarshal(data, obj); err != nil {
		return nil, fmt.Errorf("make a %s: %w", kind.GVK.Kind, err)
	}
	return obj, nil
}

// ends tells whether a version of an object is being deleted.
func ends(obj events.Object) bool { return obj != nil && obj.GetDeletionTimestamp() != nil }
