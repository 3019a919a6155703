// Package podstate reads a pod's status: what several control loops must see
// alike. Pods come in, answers go out; nothing here changes one that it was
// not given to change, or reads a clock. It is one file.
package podstate

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Finished tells whether the pod's containers have ended for good.
func Finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// Active tells whether the pod counts as a replica: neither finished nor being
// deleted.
func Active(pod *corev1.Pod) bool { return !Finished(pod) && pod.DeletionTimestamp == nil }

// Condition answers the pod's condition of that type, or nil.
func Condition(pod *corev1.Pod, of corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == of {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// Ready tells whether the pod serves.
func Ready(pod *corev1.Pod) bool {
	ready := Condition(pod, corev1.PodReady)
	return ready != nil && ready.Status == corev1.ConditionTrue
}

// Available tells whether the pod has been ready for long enough, and if not
// yet, in how long it will be. wait is 0 for a pod that is not ready.
func Available(pod *corev1.Pod, minReady time.Duration, at time.Time) (available bool, wait time.Duration) {
	ready := Condition(pod, corev1.PodReady)
	if ready == nil || ready.Status != corev1.ConditionTrue {
		return false, 0
	}
	if minReady == 0 {
		return true, 0
	}
	wait = ready.LastTransitionTime.Add(minReady).Sub(at)
	return wait <= 0, max(0, wait)
}

// SetCondition writes a condition into a pod of the caller's own; the time of
// transition changes with the status only. It tells whether anything changed.
func SetCondition(pod *corev1.Pod, want corev1.PodCondition, at metav1.Time) bool {
	want.LastTransitionTime = at
	is := Condition(pod, want.Type)
	if is == nil {
		pod.Status.Conditions = append(pod.Status.Conditions, want)
		return true
	}
	if is.Status == want.Status {
		want.LastTransitionTime = is.LastTransitionTime
	}
	want.LastProbeTime, want.ObservedGeneration = is.LastProbeTime, is.ObservedGeneration
	changed := *is != want
	*is = want
	return changed
}
