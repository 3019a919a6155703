package replicaset

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/internal/claim"
)

// atOnce is how many pods are made or deleted in one transaction, and so in one
// look at a ReplicaSet: what is left follows when the log has these.
const atOnce = 500

// Reconciler implements reconcilers.Reconciler and reconcilers.Refuser. Its
// keys are ReplicaSets, and pods without a controller.
type Reconciler struct{}

var (
	_ reconcilers.Reconciler = Reconciler{}
	_ reconcilers.Refuser    = Reconciler{}
)

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "replicaset".
func (Reconciler) Name() string { return "replicaset" }

// Watches says what matters: what is wanted of a ReplicaSet, and every change
// of its pods.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.ReplicaSets, Keys: reconcilers.WhenWanted},
		{Resource: reconcilers.Pods, Keys: keysOfPod},
	}
}

// keysOfPod leads from a pod to its controller, before and after the change;
// from an orphan to itself, when it could be adopted.
func keysOfPod(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	var keys []reconcilers.Key
	before, after := reconcilers.Both[*corev1.Pod](change)
	for _, pod := range []*corev1.Pod{before, after} {
		if pod == nil {
			continue
		}
		key, ok := claim.ControllerKey(pod, reconcilers.ReplicaSetKind, reconcilers.ReplicaSets)
		if ok && (len(keys) == 0 || keys[0] != key) {
			keys = append(keys, key)
		}
	}
	if after != nil && change.Significant() && len(after.Labels) > 0 &&
		metav1.GetControllerOfNoCopy(after) == nil && podstate.Active(after) {
		keys = append(keys, change.Key)
	}
	return keys, nil
}

// Reconcile looks at a ReplicaSet or at an orphaned pod.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error) {
	if key.Resource == reconcilers.Pods {
		return adoptOrphan(view, key)
	}
	var d reconcilers.Decision
	s, err := newSurvey(view, key)
	if err != nil || s == nil {
		return d, err
	}
	for _, pod := range s.released {
		d.Do("SelectorMismatch", claim.Release(s.owner(), keyOf(pod), pod))
	}
	if s.rs.DeletionTimestamp == nil {
		switch missing := s.missing(); {
		case missing > 0:
			return d, s.raise(&d, view, missing)
		case missing < 0:
			return d, s.lower(&d, view, -missing)
		}
	}
	s.report(&d, s.kept(), at)
	return d, nil
}

// survey is a ReplicaSet and what it owns.
type survey struct {
	rs          *appsv1.ReplicaSet
	active      []*corev1.Pod // replicas
	terminating int32         // pods that are being deleted
	released    []*corev1.Pod // owned, but not selected any more
}

// newSurvey reads a ReplicaSet and its pods; nil when it is gone.
func newSurvey(view events.View, key proto.ObjectKey) (*survey, error) {
	rs, ok, err := events.GetAs[*appsv1.ReplicaSet](view, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if !ok {
		return nil, nil
	}
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{
		Resource: reconcilers.Pods, Namespace: rs.Namespace, Owner: rs.UID,
	})
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", key, err)
	}
	s := &survey{rs: rs}
	kept, released := claim.Sort(s.owner(), pods)
	s.released = released
	for _, pod := range kept {
		switch {
		case podstate.Active(pod):
			s.active = append(s.active, pod)
		case !podstate.Finished(pod):
			s.terminating++
		}
	}
	return s, nil
}

func (s *survey) owner() claim.Owner {
	return claim.Owner{Kind: reconcilers.ReplicaSetKind, Object: s.rs, Selector: s.rs.Spec.Selector}
}

// missing is how many replicas are to be made; negative, to be deleted.
func (s *survey) missing() int {
	wanted := 1
	if s.rs.Spec.Replicas != nil {
		wanted = int(*s.rs.Spec.Replicas)
	}
	return wanted - len(s.active)
}

func keyOf(pod *corev1.Pod) proto.ObjectKey { return reconcilers.Pods.Key(pod.Namespace, pod.Name) }

// adoptOrphan gives a pod without a controller to the ReplicaSet that selects
// it; whether that one has use for it is then looked at there.
func adoptOrphan(view events.View, key proto.ObjectKey) (d reconcilers.Decision, err error) {
	pod, ok, err := events.GetAs[*corev1.Pod](view, key)
	if err != nil || !ok || metav1.GetControllerOfNoCopy(pod) != nil || !podstate.Active(pod) {
		return d, err
	}
	sets, err := events.ListAs[*appsv1.ReplicaSet](view, events.Query{
		Resource: reconcilers.ReplicaSets, Namespace: pod.Namespace,
	})
	if err != nil {
		return d, fmt.Errorf("list replica sets that could adopt %s: %w", key, err)
	}
	owners := make([]claim.Owner, 0, len(sets))
	for _, rs := range sets {
		owners = append(owners, claim.Owner{Kind: reconcilers.ReplicaSetKind, Object: rs, Selector: rs.Spec.Selector})
	}
	if heir, ok := claim.Heir(pod, owners); ok {
		d.Do("Adopted", claim.Adopt(heir, key, pod))
	}
	return d, nil
}
