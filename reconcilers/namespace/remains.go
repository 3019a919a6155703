package namespace

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// remains is what is left in a namespace.
type remains struct{ kinds []content }

// deletions ends, in one log, what is not ending already.
func (r *remains) deletions(stream string) (actions []events.Action) {
	background := metav1.DeletePropagationBackground
	for _, c := range r.kinds {
		if c.kind.Stream != stream {
			continue
		}
		for _, obj := range c.objects {
			if obj.GetDeletionTimestamp() != nil {
				continue
			}
			uid := obj.GetUID()
			actions = append(actions, events.Delete{Key: c.kind.KeyOf(obj), Options: metav1.DeleteOptions{
				PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid},
			}})
		}
	}
	return actions
}

// explain says in the namespace's conditions what it waits for, once there is
// nothing more to delete: until then it only takes its time.
func (r *remains) explain(d *reconcilers.Decision, ns *corev1.Namespace, at time.Time) {
	if len(d.Commands) > 0 || len(r.kinds) == 0 || r.kinds[0].kind.Stream != proto.StreamEvents {
		return
	}
	changed := events.Copy(ns)
	set := func(of corev1.NamespaceConditionType, holds bool, reason, message string) {
		setCondition(changed, corev1.NamespaceCondition{Type: of, Reason: reason, Message: message}, holds, at)
	}
	set(corev1.NamespaceContentRemaining, true, "SomeResourcesRemain",
		"Some resources are remaining: "+strings.Join(r.counts(), ", "))
	if finalizers := r.finalizers(); len(finalizers) > 0 {
		set(corev1.NamespaceFinalizersRemaining, true, "SomeFinalizersRemain",
			"Some content in the namespace has finalizers remaining: "+strings.Join(finalizers, ", "))
	} else {
		set(corev1.NamespaceFinalizersRemaining, false, "ContentHasNoFinalizers",
			"All content-preserving finalizers finished")
	}
	if slices.Equal(changed.Status.Conditions, ns.Status.Conditions) {
		return
	}
	d.Do("ContentRemains", events.Update{
		Key: reconcilers.Namespaces.Key("", ns.Name), Subresource: events.SubStatus, Object: changed,
	})
}

// counts lists how many objects of each kind are left.
func (r *remains) counts() (counts []string) {
	for _, c := range r.kinds {
		counts = append(counts, fmt.Sprintf("%s has %d resource instances", name(c.kind), len(c.objects)))
	}
	return counts
}

// name is a resource as Kubernetes spells it here: "pods.", "deployments.apps".
func name(kind *events.Kind) string { return kind.Resource.Name + "." + kind.Resource.Group }

// finalizers lists in how many objects each finalizer is left.
func (r *remains) finalizers() (lines []string) {
	count := map[string]int{}
	for _, c := range r.kinds {
		for _, obj := range c.objects {
			for _, f := range obj.GetFinalizers() {
				count[f]++
			}
		}
	}
	for _, f := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("%s in %d resource instances", f, count[f]))
	}
	return lines
}

// setCondition writes a condition; its time changes with its status only.
func setCondition(ns *corev1.Namespace, want corev1.NamespaceCondition, holds bool, at time.Time) {
	want.Status = corev1.ConditionFalse
	if holds {
		want.Status = corev1.ConditionTrue
	}
	want.LastTransitionTime = reconcilers.Stamp(at)
	for i := range ns.Status.Conditions {
		is := &ns.Status.Conditions[i]
		if is.Type != want.Type {
			continue
		}
		if is.Status == want.Status {
			want.LastTransitionTime = is.LastTransitionTime
		}
		*is = want
		return
	}
	ns.Status.Conditions = append(ns.Status.Conditions, want)
}
