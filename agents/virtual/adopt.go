package virtual

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// adopt is what an engine has of a pod whose status is this.
func adopt(pod *corev1.Pod) runtime.Pod {
	out := runtime.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return out // its sandbox is gone, and so are soon its containers
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c, ok := adoptContainer(out.UID, &status); ok {
			out.Containers = append(out.Containers, c)
		}
	}
	if len(out.Containers) > 0 || conditionTrue(pod, corev1.PodReadyToStartContainers) {
		out.Sandbox = &runtime.Sandbox{
			ID: "sandbox-" + out.UID, State: runtime.Running, HostNetwork: pod.Spec.HostNetwork, CreatedAt: pod.CreationTimestamp.Time,
		}
		if !pod.Spec.HostNetwork {
			out.Sandbox.Address, out.Sandbox.Second = addressesOf(&pod.Status)
		}
	}
	return out
}

// addressesOf are those of a pod: second, of the other family, is invalid where it
// has one only.
func addressesOf(status *corev1.PodStatus) (first, second netip.Addr) {
	first, _ = netip.ParseAddr(status.PodIP)
	if len(status.PodIPs) > 1 {
		second, _ = netip.ParseAddr(status.PodIPs[1].IP)
	}
	return first, second
}

func conditionTrue(pod *corev1.Pod, of corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == of && c.Status == corev1.ConditionTrue
	})
}

// adoptContainer is the newest attempt of a container; ok is false when there is
// none at the engine.
func adoptContainer(uid string, is *corev1.ContainerStatus) (c runtime.Container, ok bool) {
	c = runtime.Container{
		Ref: runtime.Ref{UID: uid, Container: is.Name, Attempt: int(is.RestartCount)}, ID: is.ContainerID,
		Image: is.Image, ImageID: is.ImageID, Streak: int(is.RestartCount),
	}
	end := is.State.Terminated
	if wait := is.State.Waiting; wait != nil && is.ContainerID != "" {
		end = is.LastTerminationState.Terminated // it waits for its next attempt
	}
	switch {
	case is.State.Running != nil:
		c.State, c.StartedAt = runtime.Running, is.State.Running.StartedAt.Time
	case end != nil:
		c.State, c.ExitCode, c.OOMKilled = runtime.Exited, int(end.ExitCode), end.Reason == oomKilled
		c.StartedAt, c.FinishedAt = end.StartedAt.Time, end.FinishedAt.Time
		if end.Reason == "ContainerCannotRun" {
			c.Message = end.Message
		}
	default:
		return c, false
	}
	c.CreatedAt = c.StartedAt
	return c, true
}
