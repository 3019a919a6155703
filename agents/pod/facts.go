package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// Facts that both the next step and the status are made of.

// finished says that the pod has come to its end by itself, by its deadline,
// or by the word of the control plane: nothing of it is started ever again.
func finished(want Want, have State, now time.Time) bool {
	if terminal(want.Pod.Status.Phase) || terminal(have.Memory.Status.Phase) {
		return true
	}
	if at, limited := deadline(want, have); limited && !now.Before(at) {
		return true
	}
	if initFailed(want.Pod, have) {
		return true
	}
	for i := range want.Pod.Spec.Containers {
		latest, there := have.Runtime.Latest(want.Pod.Spec.Containers[i].Name)
		if !there || latest.State != runtime.Exited || restarts(want.Pod.Spec.RestartPolicy, latest) {
			return false
		}
	}
	return true
}

func anyRunning(have State) bool {
	for _, c := range have.Runtime.Containers {
		if c.State == runtime.Running {
			return true
		}
	}
	return false
}

func terminal(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

// deadline is when the pod's activeDeadlineSeconds are over.
func deadline(want Want, have State) (time.Time, bool) {
	if want.Pod.Spec.ActiveDeadlineSeconds == nil {
		return time.Time{}, false
	}
	return have.Memory.Since.Add(seconds(*want.Pod.Spec.ActiveDeadlineSeconds)), true
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// initPolicy: an init container that fails is tried again unless the pod's
// containers are never restarted; one that succeeded never is.
func initPolicy(pod *corev1.Pod, c *corev1.Container) corev1.RestartPolicy {
	switch {
	case isSidecar(c):
		return corev1.RestartPolicyAlways
	case pod.Spec.RestartPolicy == corev1.RestartPolicyNever:
		return corev1.RestartPolicyNever
	default:
		return corev1.RestartPolicyOnFailure
	}
}

// initDone says that the next init container may start.
func initDone(c *corev1.Container, have State) bool {
	latest, there := have.Runtime.Latest(c.Name)
	if !there {
		return false
	}
	if isSidecar(c) {
		return latest.State != runtime.Created && startedUp(c, latest, have)
	}
	return latest.State == runtime.Exited && latest.ExitCode == 0 && sameSandbox(latest, have)
}

func sameSandbox(c runtime.Container, have State) bool {
	return have.Runtime.Sandbox == nil || c.Sandbox == have.Runtime.Sandbox.Attempt
}

// initFailed says that an init container failed for good.
func initFailed(pod *corev1.Pod, have State) bool {
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		latest, there := have.Runtime.Latest(c.Name)
		if there && latest.State == runtime.Exited && latest.ExitCode != 0 && !restarts(initPolicy(pod, c), latest) {
			return true
		}
	}
	return false
}

// mainStarted says that a main container was made in the current sandbox: the
// init containers have done their work.
func mainStarted(pod *corev1.Pod, have State) bool {
	for i := range pod.Spec.Containers {
		latest, there := have.Runtime.Latest(pod.Spec.Containers[i].Name)
		if there && sameSandbox(latest, have) {
			return true
		}
	}
	return false
}

// initialized says that all init containers are done.
func initialized(pod *corev1.Pod, have State) bool {
	if mainStarted(pod, have) {
		return true
	}
	for i := range pod.Spec.InitContainers {
		if !initDone(&pod.Spec.InitContainers[i], have) {
			return false
		}
	}
	return true
}

// rerunInit says that an init container that succeeded must run once more,
// because its sandbox was replaced.
func rerunInit(pod *corev1.Pod, name string, latest runtime.Container, have State) bool {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return !sameSandbox(latest, have)
		}
	}
	return false
}

// startedUp says that the container's startup probe, if any, has succeeded.
func startedUp(c *corev1.Container, latest runtime.Container, have State) bool {
	return c.StartupProbe == nil || have.Memory.Health[latest.ID].Started
}

// isReady says that a running container may be sent traffic.
func isReady(c *corev1.Container, latest runtime.Container, have State) bool {
	return startedUp(c, latest, have) && (c.ReadinessProbe == nil || have.Memory.Health[latest.ID].Ready)
}

// firstAttempt is the number for a container of which the engine has nothing:
// one more than the attempts that are known to have been.
func firstAttempt(have State, name string) int {
	prev, there := told(have, name)
	if !there || (prev.ContainerID == "" && prev.RestartCount == 0) {
		return 0
	}
	return int(prev.RestartCount) + 1
}

// told is the newest status of a container that was told.
func told(have State, name string) (corev1.ContainerStatus, bool) {
	for _, list := range [][]corev1.ContainerStatus{have.Memory.Status.ContainerStatuses, have.Memory.Status.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return list[i], true
			}
		}
	}
	return corev1.ContainerStatus{}, false
}
