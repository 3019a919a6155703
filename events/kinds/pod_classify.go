package kinds

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// classifyPod names what happened to a pod. A report may tell several things
// at once: the one that matters most to a reader gives the name.
func classifyPod(before, after *corev1.Pod, section proto.Section) (fact, reason string) {
	if section == proto.SectionSpec {
		if before.Spec.NodeName == "" && after.Spec.NodeName != "" {
			return string(events.PodBound), "Scheduled"
		}
		return "", ""
	}
	if before.Status.Phase != after.Status.Phase {
		switch after.Status.Phase {
		case corev1.PodSucceeded:
			return string(events.PodSucceeded), cmp.Or(after.Status.Reason, "Completed")
		case corev1.PodFailed:
			if after.Status.Reason == "Evicted" {
				return string(events.PodEvicted), "Evicted"
			}
			return string(events.PodFailed), cmp.Or(after.Status.Reason, lastExit(after), "Failed")
		case corev1.PodPending, corev1.PodRunning, corev1.PodUnknown:
		}
	}
	return classifyRunning(before, after)
}

func classifyRunning(before, after *corev1.Pod) (fact, reason string) {
	if fact, reason := classifyContainers(before, after, died); fact != "" {
		return fact, reason
	}
	was, is := podReady(before), podReady(after)
	if was != is {
		if is {
			return string(events.PodReady), "AllReady"
		}
		return string(events.PodUnready), cmp.Or(podCondition(after, corev1.PodReady).Reason, "Unready")
	}
	if before.Status.Phase != after.Status.Phase && after.Status.Phase == corev1.PodRunning {
		return string(events.PodStarted), "Running"
	}
	for _, rule := range []containerRule{started, waits} {
		if fact, reason := classifyContainers(before, after, rule); fact != "" {
			return fact, reason
		}
	}
	if c := podCondition(after, corev1.PodScheduled); c.Status == corev1.ConditionFalse &&
		podCondition(before, corev1.PodScheduled).Status != corev1.ConditionFalse {
		return string(events.PodUnschedulable), cmp.Or(c.Reason, corev1.PodReasonUnschedulable)
	}
	return "", ""
}

// containerRule names what happened to one container; before is zero for one
// that was not reported yet.
type containerRule func(before, after *corev1.ContainerStatus) (fact, reason string)

func died(before, after *corev1.ContainerStatus) (fact, reason string) {
	end := after.State.Terminated
	if end == nil && after.RestartCount > before.RestartCount {
		end = after.LastTerminationState.Terminated
		if end != nil && after.State.Running != nil {
			return string(events.ContainerRestarted), cmp.Or(end.Reason, exitReason(end.ExitCode))
		}
	}
	if end == nil && after.State.Waiting != nil {
		end = after.LastTerminationState.Terminated // it died, and waits for its next attempt
	}
	if end == nil || sameEnd(end, before.State.Terminated) || sameEnd(end, before.LastTerminationState.Terminated) {
		return "", ""
	}
	return string(events.ContainerDied), cmp.Or(end.Reason, exitReason(end.ExitCode))
}

func started(before, after *corev1.ContainerStatus) (fact, reason string) {
	run := after.State.Running
	if run == nil || (before.State.Running != nil && before.RestartCount == after.RestartCount) {
		return "", ""
	}
	if after.RestartCount > 0 {
		return string(events.ContainerRestarted), "Restarted"
	}
	return string(events.ContainerStarted), "Started"
}

func waits(before, after *corev1.ContainerStatus) (fact, reason string) {
	wait := after.State.Waiting
	if wait == nil || wait.Reason == "" || (before.State.Waiting != nil && before.State.Waiting.Reason == wait.Reason) {
		return "", ""
	}
	return string(events.ContainerWaiting), wait.Reason
}

func sameEnd(a, b *corev1.ContainerStateTerminated) bool {
	return b != nil && a.ContainerID == b.ContainerID && a.FinishedAt.Equal(&b.FinishedAt)
}

func exitReason(code int32) string {
	if code == 0 {
		return "Completed"
	}
	return "Error"
}

func classifyContainers(before, after *corev1.Pod, rule containerRule) (fact, reason string) {
	was := allStatuses(before)
	for _, status := range allStatuses(after) {
		old := &corev1.ContainerStatus{}
		if i := slices.IndexFunc(was, func(s *corev1.ContainerStatus) bool { return s.Name == status.Name }); i >= 0 {
			old = was[i]
		}
		if fact, reason := rule(old, status); fact != "" {
			return fact, reason
		}
	}
	return "", ""
}

func allStatuses(pod *corev1.Pod) []*corev1.ContainerStatus {
	var all []*corev1.ContainerStatus
	for _, list := range [][]corev1.ContainerStatus{
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// lastExit is why the container that failed last did.
func lastExit(pod *corev1.Pod) string {
	for _, status := range allStatuses(pod) {
		if end := status.State.Terminated; end != nil && end.ExitCode != 0 {
			return cmp.Or(end.Reason, exitReason(end.ExitCode))
		}
	}
	return ""
}

// podCondition answers a condition of a pod, a zero one when it is not set.
func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

func podReady(pod *corev1.Pod) bool {
	return podCondition(pod, corev1.PodReady).Status == corev1.ConditionTrue
}
