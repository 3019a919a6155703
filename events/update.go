package events

import (
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/proto"
)

// The subresources that Update and Patch know; "" is the object itself.
const (
	SubStatus   = "status"
	SubScale    = "scale"
	SubFinalize = "finalize" // of namespaces
)

func (d *decider) update(u Update) (Decision, error) {
	kind, before, err := d.find(u.Key)
	if err != nil {
		return Decision{}, err
	}
	if before == nil {
		if u.CreateUID == "" || u.Subresource != "" || u.Object == nil || u.Object.GetResourceVersion() != "" {
			return Decision{}, notFound(kind, u.Key.Name)
		}
		return d.create(Create{Key: u.Key, Object: u.Object, UID: u.CreateUID})
	}
	if u.Subresource == SubScale {
		given, ok := u.Object.(*autoscalingv1.Scale)
		if !ok {
			return Decision{}, apierrors.NewBadRequest(fmt.Sprintf("%s/scale expects a Scale, got %T", kind.Resource, u.Object))
		}
		return d.rescale(VerbUpdate, kind, u.Key, before, given)
	}
	given, err := take(kind, u.Object)
	if err != nil {
		return Decision{}, err
	}
	return d.replace(VerbUpdate, kind, u.Key, u.Subresource, before, given)
}

// replace decides on the object as it should be, whether a client sent it
// whole or a patch made it. given is ours to change.
func (d *decider) replace(verb string, kind *Kind, key proto.ObjectKey, sub string, before, given Object) (Decision, error) {
	if _, err := identify(kind, key, given, ""); err != nil {
		return Decision{}, err
	}
	if err := expect(kind, before, given); err != nil {
		return Decision{}, err
	}
	after, err := d.prepareUpdate(kind, sub, before, given)
	if err != nil {
		return Decision{}, err
	}
	if err := d.admitChange(kind, sub, before, after); err != nil {
		return Decision{}, err
	}
	if finished(before, after) {
		return d.conclude(verb, change{kind: kind, key: key, before: before})
	}
	return d.conclude(verb, change{kind: kind, key: key, before: before, after: after})
}

// expect checks the version and the incarnation that a client decided on.
func expect(kind *Kind, before, given Object) error {
	if v := given.GetResourceVersion(); v != "" && v != before.GetResourceVersion() {
		return conflict(kind, before.GetName(), modified)
	}
	if uid := given.GetUID(); uid != "" && uid != before.GetUID() {
		return wrongUID(kind, before.GetName(), uid, before.GetUID())
	}
	return nil
}

// prepareUpdate makes the object as it will be: what was given, where the
// subresource lets it in, and the old object elsewhere.
func (d *decider) prepareUpdate(kind *Kind, sub string, before, given Object) (Object, error) {
	switch {
	case sub == "":
		if kind.Default != nil {
			kind.Default(given) // before the status is shared with the old object, which is not ours
		}
		inherit(given, before)
		if kind.HasStatus {
			setStatus(given, before)
		}
		if kind.PrepareUpdate != nil {
			kind.PrepareUpdate(given, before)
		}
		return given, nil
	case sub == SubStatus && kind.HasStatus:
		after := shallow(before)
		setStatus(after, given)
		if kind.PrepareStatus != nil {
			kind.PrepareStatus(after, before)
		}
		return after, nil
	case sub == SubFinalize:
		if ns, ok := given.(*corev1.Namespace); ok {
			after := Copy(before).(*corev1.Namespace)
			after.Spec.Finalizers = ns.Spec.Finalizers
			return after, nil
		}
	}
	return nil, apierrors.NewNotFound(kind.GroupResource(), before.GetName()+"/"+sub)
}

// inherit keeps the metadata that belongs to the system.
func inherit(after, before Object) {
	after.SetResourceVersion(before.GetResourceVersion())
	after.SetUID(before.GetUID())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	after.SetGeneration(before.GetGeneration())
	after.SetDeletionTimestamp(before.GetDeletionTimestamp())
	after.SetDeletionGracePeriodSeconds(before.GetDeletionGracePeriodSeconds())
	if after.GetGenerateName() == "" {
		after.SetGenerateName(before.GetGenerateName())
	}
}

func (d *decider) admitChange(kind *Kind, sub string, before, after Object) error {
	var errs field.ErrorList
	switch {
	case sub == SubStatus:
		if kind.ValidateStatus != nil {
			errs = kind.ValidateStatus(after, before)
		}
		return invalid(kind, after.GetName(), errs)
	case sub != "":
		return nil
	}
	errs = apivalidation.ValidateObjectMetaAccessorUpdate(after, before, field.NewPath("metadata"))
	if kind.ValidateUpdate != nil {
		errs = append(errs, kind.ValidateUpdate(after, before)...)
	} else if kind.Validate != nil {
		errs = append(errs, kind.Validate(after)...)
	}
	if err := invalid(kind, after.GetName(), errs); err != nil {
		return err
	}
	if kind.Admit == nil {
		return nil
	}
	return kind.Admit(d.view, after, before)
}

// finished tells whether a change takes away the last thing that a deletion
// was waiting for.
func finished(before, after Object) bool {
	if before.GetDeletionTimestamp() == nil || len(after.GetFinalizers()) > 0 {
		return false
	}
	if ns, ok := after.(*corev1.Namespace); ok && len(ns.Spec.Finalizers) > 0 {
		return false
	}
	grace := before.GetDeletionGracePeriodSeconds()
	return grace == nil || *grace == 0
}
