package garbage

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/reconcilers"
)

// orphan lets the dependents of an owner go, and then the owner.
func (r *Reconciler) orphan(d *reconcilers.Decision, view events.View, owner thing) error {
	own, err := r.dependents(view, owner.obj.GetUID())
	if err != nil {
		return err
	}
	b := bundle{decision: d}
	self := []metav1.OwnerReference{{UID: owner.obj.GetUID()}}
	for _, t := range own {
		b.add("Orphaned", t.key.Resource, without(t, self))
	}
	b.flush()
	d.Do("DependentsOrphaned", finalized(owner, metav1.FinalizerOrphanDependents))
	return nil
}

// await ends the dependents of an owner, and then, when none is left that holds
// it up, lets the owner go.
func (r *Reconciler) await(d *reconcilers.Decision, view events.View, owner thing) error {
	own, err := r.dependents(view, owner.obj.GetUID())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(t thing) bool { return blocks(t.obj, owner.obj.GetUID()) }) {
		d.Do("DependentsDeleted", finalized(owner, metav1.FinalizerDeleteDependents))
	}
	return r.sweep(d, view, own)
}

// blocks tells whether an object holds up the deletion of an owner, or, without
// one, of any.
func blocks(obj events.Object, owner types.UID) bool {
	return slices.ContainsFunc(obj.GetOwnerReferences(), func(ref metav1.OwnerReference) bool {
		return (owner == "" || ref.UID == owner) && ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
	})
}

// finalized takes a finalizer off an object.
func finalized(t thing, finalizer string) events.Action {
	changed := events.Copy(t.obj)
	changed.SetFinalizers(slices.DeleteFunc(changed.GetFinalizers(), func(f string) bool { return f == finalizer }))
	return events.Update{Key: t.key, Object: changed}
}
