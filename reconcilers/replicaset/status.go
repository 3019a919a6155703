package replicaset

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"

	"segno/events"
	"segno/events/podstate"
	"segno/reconcilers"
)

// kept are the conditions that still hold: with the right number of pods,
// nothing fails.
func (s *survey) kept() []appsv1.ReplicaSetCondition {
	return slices.DeleteFunc(slices.Clone(s.rs.Status.Conditions), func(c appsv1.ReplicaSetCondition) bool {
		return c.Type == appsv1.ReplicaSetReplicaFailure
	})
}

// report writes the status if it differs, and asks for a look when the next pod
// will have been ready for long enough.
func (s *survey) report(d *reconcilers.Decision, conditions []appsv1.ReplicaSetCondition, at time.Time) {
	status := appsv1.ReplicaSetStatus{
		Replicas:            int32(len(s.active)),
		TerminatingReplicas: &s.terminating,
		ObservedGeneration:  s.rs.Generation,
		Conditions:          conditions,
	}
	full := labels.SelectorFromSet(s.rs.Spec.Template.Labels)
	minReady := time.Duration(s.rs.Spec.MinReadySeconds) * time.Second
	for _, pod := range s.active {
		if full.Matches(labels.Set(pod.Labels)) {
			status.FullyLabeledReplicas++
		}
		if podstate.Ready(pod) {
			status.ReadyReplicas++
		}
		available, wait := podstate.Available(pod, minReady, at)
		if available {
			status.AvailableReplicas++
		} else if wait > 0 {
			d.Look(wait)
		}
	}
	if equality.Semantic.DeepEqual(s.rs.Status, status) {
		return
	}
	changed := events.Copy(s.rs)
	changed.Status = status
	d.Do("", events.Update{
		Key: reconcilers.ReplicaSets.Key(s.rs.Namespace, s.rs.Name), Subresource: events.SubStatus, Object: changed,
	})
}

// failing is the condition that says what cannot be done.
func (s *survey) failing(reason, message string, at time.Time) []appsv1.ReplicaSetCondition {
	failure := appsv1.ReplicaSetCondition{
		Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue,
		Reason: reason, Message: message, LastTransitionTime: reconcilers.Stamp(at),
	}
	for _, is := range s.rs.Status.Conditions {
		if is.Type == failure.Type && is.Status == failure.Status {
			failure.LastTransitionTime = is.LastTransitionTime
		}
	}
	return append(s.kept(), failure)
}
