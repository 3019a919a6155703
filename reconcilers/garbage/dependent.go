package garbage

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// state is what a reference says about the owner.
type state int

const (
	solid   state = iota // it is there
	waiting              // it is being deleted, and waits for its dependents
	gone                 // there is none of that UID
)

// kindOf finds the kind of a reference, whatever its version; nil when the
// table has none.
func (r *Reconciler) kindOf(ref metav1.OwnerReference) *events.Kind {
	version, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return nil
	}
	if kind := r.table.ForKind(version.WithKind(ref.Kind)); kind != nil {
		return kind
	}
	for _, kind := range r.table.All() {
		if kind.GVK.Group == version.Group && kind.GVK.Kind == ref.Kind {
			return kind
		}
	}
	return nil
}

// owner finds what a reference of obj refers to. What cannot be known counts as
// there: nothing is deleted on a guess.
func (r *Reconciler) owner(view events.View, obj events.Object, ref metav1.OwnerReference) (proto.ObjectKey, state, error) {
	kind := r.kindOf(ref)
	if kind == nil {
		return proto.ObjectKey{}, solid, nil
	}
	namespace := ""
	if kind.Namespaced {
		namespace = obj.GetNamespace()
		if namespace == "" {
			return proto.ObjectKey{}, solid, nil // no object outside of namespaces has an owner inside one
		}
	}
	key := kind.Resource.Key(namespace, ref.Name)
	owner, err := view.Get(key)
	if err != nil {
		return key, solid, fmt.Errorf("read owner %s: %w", key, err)
	}
	switch {
	case owner == nil || owner.GetUID() != ref.UID:
		return key, gone, nil
	case awaits(owner):
		return key, waiting, nil
	default:
		return key, solid, nil
	}
}

// awaits tells whether an owner waits for its dependents to be gone.
func awaits(obj events.Object) bool {
	return ends(obj) && slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents)
}

// asDependent decides on an object by its owners: with one left it only loses
// the references to the others; with none it goes. A nil action leaves it.
func (r *Reconciler) asDependent(view events.View, t thing) (action events.Action, reason string, err error) {
	if ends(t.obj) || len(t.obj.GetOwnerReferences()) == 0 {
		return nil, "", nil
	}
	count := map[state]int{}
	var lost []metav1.OwnerReference
	for _, ref := range t.obj.GetOwnerReferences() {
		_, is, err := r.owner(view, t.obj, ref)
		if err != nil {
			return nil, "", err
		}
		count[is]++
		if is != solid {
			lost = append(lost, ref)
		}
	}
	switch {
	case len(lost) == 0:
		return nil, "", nil
	case count[solid] > 0:
		return without(t, lost), "OwnerGone", nil
	case count[waiting] > 0:
		action, err = r.endFirst(view, t)
		return action, "OwnerDeleted", err
	default:
		return end(t, policyOf(t.obj)), "OwnerGone", nil
	}
}

// endFirst ends an object that an owner waits for: its own dependents go before
// it. Where one of them waits in turn, in a circle, nobody is held up.
func (r *Reconciler) endFirst(view events.View, t thing) (events.Action, error) {
	own, err := r.dependents(view, t.obj.GetUID())
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return end(t, policyOf(t.obj)), nil
	}
	if slices.ContainsFunc(own, func(d thing) bool { return awaits(d.obj) }) && blocks(t.obj, "") {
		return unblocked(t), nil
	}
	return end(t, metav1.DeletePropagationForeground), nil
}

// policyOf is what an object's finalizers say should become of its dependents.
func policyOf(obj events.Object) metav1.DeletionPropagation {
	switch {
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerOrphanDependents):
		return metav1.DeletePropagationOrphan
	case slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents):
		return metav1.DeletePropagationForeground
	default:
		return metav1.DeletePropagationBackground
	}
}

// end deletes an object as it was read: with another owner by now, it stays.
func end(t thing, policy metav1.DeletionPropagation) events.Action {
	uid, version := t.obj.GetUID(), t.obj.GetResourceVersion()
	return events.Delete{Key: t.key, Options: metav1.DeleteOptions{
		PropagationPolicy: &policy,
		Preconditions:     &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	}}
}

// without takes references off an object.
func without(t thing, lost []metav1.OwnerReference) events.Action {
	changed := events.Copy(t.obj)
	changed.SetOwnerReferences(slices.DeleteFunc(changed.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
		return slices.ContainsFunc(lost, func(l metav1.OwnerReference) bool { return l.UID == ref.UID })
	}))
	return events.Update{Key: t.key, Object: changed}
}

// unblocked lets an object hold up no owner.
func unblocked(t thing) events.Action {
	changed := events.Copy(t.obj)
	refs := changed.GetOwnerReferences()
	for i := range refs {
		refs[i].BlockOwnerDeletion = new(bool)
	}
	changed.SetOwnerReferences(refs)
	return events.Update{Key: t.key, Object: changed}
}

// sweep decides on dependents one by one.
func (r *Reconciler) sweep(d *reconcilers.Decision, view events.View, all []thing) error {
	b := bundle{decision: d}
	for _, t := range all {
		action, reason, err := r.asDependent(view, t)
		if err != nil {
			return err
		}
		if action != nil {
			b.add(reason, t.key.Resource, action)
		}
	}
	b.flush()
	return nil
}
