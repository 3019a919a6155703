package events

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// ScaleKind is the kind of the scale subresource.
var ScaleKind = autoscalingv1.SchemeGroupVersion.WithKind("Scale")

// ScaleOf is an object's scale subresource; ok is false when its kind has none.
func ScaleOf(obj Object) (scale *autoscalingv1.Scale, ok bool) {
	replicas, selector, current := scalable(obj)
	if replicas == nil {
		return nil, false
	}
	scale = &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name:              obj.GetName(),
			Namespace:         obj.GetNamespace(),
			UID:               obj.GetUID(),
			ResourceVersion:   obj.GetResourceVersion(),
			CreationTimestamp: obj.GetCreationTimestamp(),
		},
		Status: autoscalingv1.ScaleStatus{Replicas: current},
	}
	if *replicas != nil {
		scale.Spec.Replicas = **replicas
	}
	if s, err := metav1.LabelSelectorAsSelector(selector); err == nil {
		scale.Status.Selector = s.String()
	}
	return scale, true
}

// scalable answers where an object keeps its wanted replicas (nil when it has
// none), and its selector and present replicas.
func scalable(obj Object) (replicas **int32, selector *metav1.LabelSelector, current int32) {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Replicas, o.Spec.Selector, o.Status.Replicas
	case *appsv1.ReplicaSet:
		return &o.Spec.Replicas, o.Spec.Selector, o.Status.Replicas
	case *appsv1.StatefulSet:
		return &o.Spec.Replicas, o.Spec.Selector, o.Status.Replicas
	default:
		return nil, nil, 0
	}
}

// rescale changes the wanted replicas alone; its answer is the new Scale.
func (d *decider) rescale(verb string, kind *Kind, key proto.ObjectKey, before Object, given *autoscalingv1.Scale) (Decision, error) {
	after := Copy(before)
	replicas, _, _ := scalable(after)
	if replicas == nil {
		return Decision{}, apierrors.NewNotFound(kind.GroupResource(), key.Name+"/"+SubScale)
	}
	given = given.DeepCopy()
	scaleKind := &Kind{GVK: ScaleKind, Resource: kind.Resource, Namespaced: kind.Namespaced}
	if _, err := identify(scaleKind, key, given, ""); err != nil {
		return Decision{}, err
	}
	if err := expect(kind, before, given); err != nil {
		return Decision{}, err
	}
	if given.Spec.Replicas < 0 {
		return Decision{}, apierrors.NewInvalid(schema.GroupKind{Group: ScaleKind.Group, Kind: ScaleKind.Kind}, key.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "replicas"), given.Spec.Replicas, "must be greater than or equal to 0"),
		})
	}
	*replicas = &given.Spec.Replicas
	decision, err := d.replace(replacement{verb: verb, kind: kind, key: key, before: before}, after)
	if err != nil {
		return Decision{}, err
	}
	scale, ok := ScaleOf(decision.Object)
	if !ok {
		return Decision{}, fmt.Errorf("scale %s: %T has no replicas", key, decision.Object)
	}
	decision.Object = scale
	return decision, nil
}
