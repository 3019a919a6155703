package pod

import corev1 "k8s.io/api/core/v1"

// The reasons of a pod's statuses, one past-tense word for what changed most.
const (
	reasonSucceeded = "PodSucceeded"
	reasonFailed    = "PodFailed"
	reasonDied      = "ContainerDied"
	reasonStarted   = "ContainerStarted"
	reasonWaits     = "ContainerWaiting"
	reasonReady     = "PodReady"
	reasonUnready   = "PodUnready"
	reasonAccepted  = "PodAccepted"
	reasonChanged   = "StatusChanged"
	reasonEnded     = "PodEnded"
)

// happened says that nobody's wish led to it: it has no cause in the log.
func happened(reason string) bool { return reason == reasonDied }

// reasonOf names the difference between two statuses of a pod.
func reasonOf(before, after corev1.PodStatus) string {
	switch {
	case before.Phase != after.Phase && after.Phase == corev1.PodSucceeded:
		return reasonSucceeded
	case before.Phase != after.Phase && after.Phase == corev1.PodFailed:
		return reasonFailed
	}
	was, is := tally(before), tally(after)
	switch {
	case is.ends > was.ends:
		return reasonDied
	case is.starts > was.starts:
		return reasonStarted
	case is.waits != was.waits && is.waits != "":
		return reasonWaits
	case !was.ready && is.ready:
		return reasonReady
	case was.ready && !is.ready:
		return reasonUnready
	case len(before.ContainerStatuses) == 0:
		return reasonAccepted
	default:
		return reasonChanged
	}
}

type counts struct {
	starts, ends int32
	waits        string
	ready        bool
}

// tally counts starts and ends over all attempts.
func tally(status corev1.PodStatus) counts {
	var out counts
	for _, list := range [][]corev1.ContainerStatus{status.InitContainerStatuses, status.ContainerStatuses} {
		for i := range list {
			c := &list[i]
			out.starts += c.RestartCount
			out.ends += c.RestartCount
			waits := c.State.Waiting != nil && c.State.Waiting.Reason != containerCreating && c.State.Waiting.Reason != podInitializing
			switch {
			case c.State.Running != nil:
				out.starts++
			case c.State.Terminated != nil, waits && c.LastTerminationState.Terminated != nil:
				out.starts++
				out.ends++
			}
			if waits {
				out.waits += c.Name + c.State.Waiting.Reason
			}
		}
	}
	out.ready = isTrue(status.Conditions, corev1.PodReady)
	return out
}
