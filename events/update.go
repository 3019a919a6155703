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
	return d.replace(replacement{verb: VerbUpdate, kind: kind, key: u.Key, sub: u.Subresource, before: before}, given)
}

// replacement is the change of an object, or of one subresource of it, into
// what a client sent whole or a patch made.
type replacement struct {
	verb    string
	kind    *Kind
	key     proto.ObjectKey
	sub     string
	before  Object
	applied bool // server-side: the given managedFields are the new ones
}

// replace decides on the object as it should be. given is ours to change.
func (d *decider) replace(r replacement, given Object) (Decision, error) {
	if _, err := identify(r.kind, r.key, given, ""); err != nil {
		return Decision{}, err
	}
	if err := expect(r.kind, r.before, given); err != nil {
		return Decision{}, err
	}
	after, err := d.prepareUpdate(r, given)
	if err != nil {
		return Decision{}, err
	}
	if err := d.admitChange(r, after); err != nil {
		return Decision{}, err
	}
	c := change{kind: r.kind, key: r.key, before: r.before, after: after}
	if finished(r.before, after) {
		c.after = nil
	}
	return d.conclude(r.verb, c)
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
func (d *decider) prepareUpdate(r replacement, given Object) (Object, error) {
	switch {
	case r.sub == "":
		return given, d.prepareWhole(r, given)
	case r.sub == SubStatus && r.kind.HasStatus:
		after := shallow(r.before)
		setStatus(after, given)
		if r.kind.PrepareStatus != nil {
			r.kind.PrepareStatus(after, r.before)
		}
		if r.applied {
			after.SetManagedFields(given.GetManagedFields())
		}
		return after, nil
	case r.sub == SubFinalize:
		if ns, ok := given.(*corev1.Namespace); ok {
			after := Copy(r.before).(*corev1.Namespace)
			after.Spec.Finalizers = ns.Spec.Finalizers
			return after, nil
		}
	}
	return nil, apierrors.NewNotFound(r.kind.GroupResource(), r.before.GetName()+"/"+r.sub)
}

func (d *decider) prepareWhole(r replacement, given Object) error {
	if r.kind.Default != nil {
		r.kind.Default(given) // before the status is shared with the old object, which is not ours
	}
	inherit(given, r.before)
	if r.kind.HasStatus {
		setStatus(given, r.before)
	}
	if r.kind.PrepareUpdate != nil {
		r.kind.PrepareUpdate(given, r.before)
	}
	if r.applied {
		return nil
	}
	return d.updateOwners(r.kind, r.before, given)
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
	if len(after.GetManagedFields()) == 0 {
		after.SetManagedFields(before.GetManagedFields())
	}
}

func (d *decider) admitChange(r replacement, after Object) error {
	var errs field.ErrorList
	switch {
	case r.sub == SubStatus:
		if r.kind.ValidateStatus != nil {
			errs = r.kind.ValidateStatus(after, r.before)
		}
		if err := invalid(r.kind, after.GetName(), errs); err != nil || r.kind.AdmitStatus == nil {
			return err
		}
		return r.kind.AdmitStatus(d.view, after, r.before)
	case r.sub != "":
		return nil
	}
	errs = apivalidation.ValidateObjectMetaAccessorUpdate(after, r.before, metadataPath)
	if r.kind.ValidateUpdate != nil {
		errs = append(errs, r.kind.ValidateUpdate(after, r.before)...)
	} else if r.kind.Validate != nil {
		errs = append(errs, r.kind.Validate(after)...)
	}
	if err := invalid(r.kind, after.GetName(), errs); err != nil {
		return err
	}
	if r.kind.Admit == nil {
		return nil
	}
	return r.kind.Admit(d.view, after, r.before)
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
