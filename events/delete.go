package events

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func (d *decider) delete(c Delete) (Decision, error) {
	kind, before, err := d.need(c.Key)
	if err != nil {
		return Decision{}, err
	}
	if errs := metavalidation.ValidateDeleteOptions(&c.Options); len(errs) > 0 {
		return Decision{}, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "DeleteOptions"}, "", errs)
	}
	if err := precondition(kind, before, c.Options.Preconditions); err != nil {
		return Decision{}, err
	}
	after := Copy(before)
	if ns, ok := after.(*corev1.Namespace); ok {
		err = d.terminateNamespace(kind, ns, &c.Options)
	} else {
		d.terminate(kind, after, &c.Options)
	}
	if err != nil {
		return Decision{}, err
	}
	if finished(after, after) {
		after = nil
	}
	return d.conclude(VerbDelete, change{kind: kind, key: c.Key, before: before, after: after})
}

// precondition checks what the deleter thinks the object is.
func precondition(kind *Kind, obj Object, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != obj.GetUID() {
		return conflict(kind, obj.GetName(), fmt.Sprintf(
			"the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated",
			*p.UID, obj.GetUID()))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != obj.GetResourceVersion() {
		return conflict(kind, obj.GetName(), fmt.Sprintf(
			"the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified",
			*p.ResourceVersion, obj.GetResourceVersion()))
	}
	return nil
}

// terminate marks an object as being deleted; with no grace period left and no
// finalizers that is its end (see finished).
func (d *decider) terminate(kind *Kind, obj Object, options *metav1.DeleteOptions) {
	obj.SetFinalizers(finalizers(obj, options))
	asked := options.GracePeriodSeconds
	if asked != nil && *asked < 0 {
		asked = new(int64)
		*asked = 1
	}
	if obj.GetDeletionTimestamp() != nil {
		shorten(obj, asked)
		return
	}
	var grace int64
	if kind.Grace != nil {
		grace = max(0, kind.Grace(obj, asked))
	}
	d.mark(obj, grace)
}

// mark sets the time at which a deletion is due. The generation rises, so that
// whoever acts on the spec sees that it is no longer wanted.
func (d *decider) mark(obj Object, grace int64) {
	due := metav1.Unix(d.at.Unix()+grace, 0)
	obj.SetDeletionTimestamp(&due)
	obj.SetDeletionGracePeriodSeconds(&grace)
	if obj.GetGeneration() > 0 {
		obj.SetGeneration(obj.GetGeneration() + 1)
	}
}

// shorten lets a later deletion only bring the end nearer.
func shorten(obj Object, asked *int64) {
	was := obj.GetDeletionGracePeriodSeconds()
	if was == nil || asked == nil || *asked >= *was {
		return
	}
	due := metav1.NewTime(obj.GetDeletionTimestamp().Add(time.Duration(*asked-*was) * time.Second))
	grace := *asked
	obj.SetDeletionTimestamp(&due)
	obj.SetDeletionGracePeriodSeconds(&grace)
}

// finalizers are the object's, with the one that carries out the propagation
// policy: what becomes of the objects it owns.
func finalizers(obj Object, options *metav1.DeleteOptions) []string {
	var add string
	switch policy := options.PropagationPolicy; {
	case policy != nil && *policy == metav1.DeletePropagationOrphan,
		policy == nil && options.OrphanDependents != nil && *options.OrphanDependents:
		add = metav1.FinalizerOrphanDependents
	case policy != nil && *policy == metav1.DeletePropagationForeground:
		add = metav1.FinalizerDeleteDependents
	case policy == nil && options.OrphanDependents == nil:
		return obj.GetFinalizers() // keeps what an earlier delete chose
	}
	out := slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	if add != "" {
		out = append(out, add)
	}
	return out
}

// immortal namespaces are always there.
var immortal = []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic}

// terminateNamespace closes a namespace: it is emptied by the namespace
// reconciler, which then takes away the finalizer.
func (d *decider) terminateNamespace(kind *Kind, ns *corev1.Namespace, options *metav1.DeleteOptions) error {
	if slices.Contains(immortal, ns.Name) {
		return forbidden(kind, ns.Name, "this namespace may not be deleted")
	}
	ns.Finalizers = finalizers(ns, options)
	if ns.DeletionTimestamp == nil {
		now := d.now()
		ns.DeletionTimestamp = &now
	}
	ns.Status.Phase = corev1.NamespaceTerminating
	return nil
}
