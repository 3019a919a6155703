package pod

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditions answers the conditions that belong to the node, and beside them
// those of others (readiness gates, disruption) as they were.
func conditions(want Want, have State, status corev1.PodStatus, now time.Time) []corev1.PodCondition {
	pod, prev := want.Pod, have.Memory.Status.Conditions
	up := (&decision{want: want, have: have}).sandboxUp()
	unready := unreadyContainers(pod, status)
	done := terminal(status.Phase)
	var out []corev1.PodCondition
	set := func(kind corev1.PodConditionType, ok bool, reason, message string) {
		out = append(out, condition(prev, kind, ok, reason, message, pod.Generation, now))
	}
	set(corev1.PodReadyToStartContainers, up && !done, "", "")
	inited := initialized(pod, have) || (done && !initFailed(pod, have)) || (want.ending() && isTrue(prev, corev1.PodInitialized))
	if inited {
		set(corev1.PodInitialized, true, "", "")
	} else {
		set(corev1.PodInitialized, false, "ContainersNotInitialized", "containers with incomplete status: "+bracketed(incompleteInits(pod, have)))
	}
	readyReason, readyMessage := "", ""
	switch {
	case status.Phase == corev1.PodSucceeded:
		readyReason = "PodCompleted"
	case status.Phase == corev1.PodFailed:
		readyReason = "PodFailed"
	case len(unready) > 0:
		readyReason, readyMessage = "ContainersNotReady", "containers with unready status: "+bracketed(unready)
	}
	set(corev1.ContainersReady, readyReason == "", readyReason, readyMessage)
	if gate := closedGate(pod); readyReason == "" && gate != "" {
		readyReason, readyMessage = "ReadinessGatesNotReady", fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist or is not true", gate)
	}
	set(corev1.PodReady, readyReason == "", readyReason, readyMessage)
	set(corev1.PodScheduled, true, "", "")
	return append(out, others(pod.Status.Conditions, out)...)
}

// condition keeps the time of the last change of its status.
func condition(prev []corev1.PodCondition, kind corev1.PodConditionType, ok bool, reason, message string, generation int64, now time.Time) corev1.PodCondition {
	out := corev1.PodCondition{
		Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	}
	if ok {
		out.Status = corev1.ConditionTrue
	}
	for i := range prev {
		if prev[i].Type == kind && prev[i].Status == out.Status {
			out.LastTransitionTime = prev[i].LastTransitionTime
		}
	}
	return out
}

// others answers the conditions that the node does not own, as the control
// plane last had them.
func others(prev, own []corev1.PodCondition) []corev1.PodCondition {
	var out []corev1.PodCondition
	for i := range prev {
		known := false
		for j := range own {
			known = known || own[j].Type == prev[i].Type
		}
		if !known {
			out = append(out, prev[i])
		}
	}
	return out
}

func isTrue(list []corev1.PodCondition, kind corev1.PodConditionType) bool {
	for i := range list {
		if list[i].Type == kind {
			return list[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

func closedGate(pod *corev1.Pod) string {
	for _, gate := range pod.Spec.ReadinessGates {
		if !isTrue(pod.Status.Conditions, gate.ConditionType) {
			return string(gate.ConditionType)
		}
	}
	return ""
}

func unreadyContainers(pod *corev1.Pod, status corev1.PodStatus) []string {
	var out []string
	for i := range status.ContainerStatuses {
		if !status.ContainerStatuses[i].Ready {
			out = append(out, status.ContainerStatuses[i].Name)
		}
	}
	for i := range status.InitContainerStatuses {
		if isSidecar(&pod.Spec.InitContainers[i]) && !status.InitContainerStatuses[i].Ready {
			out = append(out, status.InitContainerStatuses[i].Name)
		}
	}
	return out
}

func incompleteInits(pod *corev1.Pod, have State) []string {
	var out []string
	for i := range pod.Spec.InitContainers {
		if !initDone(&pod.Spec.InitContainers[i], have) {
			out = append(out, pod.Spec.InitContainers[i].Name)
		}
	}
	return out
}

func bracketed(names []string) string { return "[" + strings.Join(names, " ") + "]" }
