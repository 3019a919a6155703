package scheduler

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
	"segno/reconcilers"
)

// component is who the notes are from.
const component = corev1.DefaultSchedulerName

// everything is the scheduler's one key.
var everything = reconcilers.Pods.Key("", "")

// Reconciler implements reconcilers.Reconciler, with one key for everything.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "scheduler".
func (Reconciler) Name() string { return "scheduler" }

// gather is how long to wait for more room before trying again those that did
// not fit: pods mostly end many at a time.
const gather = 100 * time.Millisecond

// Watches says what matters: pods to place, and room that is new.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Pods, Keys: when(podWaits)},
		{Resource: reconcilers.Pods, Keys: when(podMakesRoom), Settle: gather},
		{Resource: reconcilers.Nodes, Keys: when(nodeMatters)},
	}
}

func when(matters func(change *reconcilers.Change) bool) func(events.View, *reconcilers.Change) ([]reconcilers.Key, error) {
	return func(_ events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
		if !matters(change) {
			return nil, nil
		}
		return []reconcilers.Key{everything}, nil
	}
}

// podWaits tells of a pod to place.
func podWaits(change *reconcilers.Change) bool {
	pod, ok := change.After().(*corev1.Pod)
	return ok && change.Significant() && pending(pod)
}

// podMakesRoom tells of a pod that gives its room back.
func podMakesRoom(change *reconcilers.Change) bool {
	before, after := reconcilers.Both[*corev1.Pod](change)
	return before != nil && takesRoom(before) && (after == nil || !takesRoom(after))
}

// nodeMatters tells of a node that is new, or may take other pods than before.
func nodeMatters(change *reconcilers.Change) bool {
	before, after := reconcilers.Both[*corev1.Node](change)
	return before == nil || after == nil ||
		change.Significant() ||
		taint.Ready(before) != taint.Ready(after) ||
		!equality.Semantic.DeepEqual(before.Status.Allocatable, after.Status.Allocatable)
}

// pending tells whether the pod waits for this scheduler.
func pending(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && podstate.Active(pod) &&
		pod.Spec.SchedulerName == corev1.DefaultSchedulerName && len(pod.Spec.SchedulingGates) == 0
}

// takesRoom tells whether the pod's requests count against its node.
func takesRoom(pod *corev1.Pod) bool { return pod.Spec.NodeName != "" && !podstate.Finished(pod) }

// Reconcile places all pods that wait.
func (Reconciler) Reconcile(view events.View, _ reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: reconcilers.Pods})
	if err != nil {
		return d, fmt.Errorf("list pods to schedule: %w", err)
	}
	waiting := waitingPods(pods)
	if len(waiting) == 0 {
		return d, nil
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return d, fmt.Errorf("list nodes to schedule to: %w", err)
	}
	p := newPass(nodes, pods)
	for _, pod := range waiting {
		p.place(pod)
	}
	return p.answer(at)
}
