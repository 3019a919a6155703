package pod

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime"
)

func containerStatuses(want Want, have State, now time.Time, specs []corev1.Container) []corev1.ContainerStatus {
	if len(specs) == 0 {
		return nil
	}
	out := make([]corev1.ContainerStatus, len(specs))
	for i := range specs {
		out[i] = containerStatus(want, have, now, &specs[i])
	}
	return out
}

func containerStatus(want Want, have State, now time.Time, spec *corev1.Container) corev1.ContainerStatus {
	prev, known := told(have, spec.Name)
	latest, there := have.Runtime.Latest(spec.Name)
	if before, ok := have.Runtime.Attempt(spec.Name, latest.Ref.Attempt-1); ok && latest.State == runtime.Created {
		latest = before // a new attempt counts from its start
	}
	if !there || latest.State == runtime.Created {
		return absent(want, have, now, spec, prev, known)
	}
	out := corev1.ContainerStatus{
		Name:         spec.Name,
		Image:        latest.Image,
		ImageID:      latest.ImageID,
		ContainerID:  latest.ID,
		RestartCount: max(int32(latest.Ref.Attempt), prev.RestartCount),
		Started:      new(bool),
	}
	if before, ok := have.Runtime.Attempt(spec.Name, latest.Ref.Attempt-1); ok && before.State == runtime.Exited {
		out.LastTerminationState = terminated(before)
	} else {
		out.LastTerminationState = prev.LastTerminationState
	}
	switch latest.State {
	case runtime.Created: // told above, as absent
	case runtime.Running:
		out.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(latest.StartedAt)}
		*out.Started = startedUp(spec, latest, have)
		out.Ready = isReady(spec, latest, have)
	case runtime.Exited:
		exitedStatus(&out, want, have, now, spec, latest)
	}
	return out
}

// exitedStatus tells the end of a container, or what delays its next attempt.
func exitedStatus(out *corev1.ContainerStatus, want Want, have State, now time.Time, spec *corev1.Container, latest runtime.Container) {
	out.State = terminated(latest)
	isInit := isInitContainer(want.Pod, spec.Name)
	out.Ready = isInit && latest.ExitCode == 0
	policy := want.Pod.Spec.RestartPolicy
	if isInit {
		policy = initPolicy(want.Pod, spec)
	}
	if want.ending() || !restarts(policy, latest) || finished(want, have, now) {
		return
	}
	_, troubled := have.Memory.Trouble[spec.Name]
	delay := restartDelay(latest)
	switch {
	case troubled:
		out.State = waiting(want, have, now, spec)
	case delay > 0:
		out.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "CrashLoopBackOff",
			Message: fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
				delay, spec.Name, want.Pod.Name, want.Pod.Namespace, want.Pod.UID),
		}}
	default:
		return
	}
	out.LastTerminationState = terminated(latest)
}

// absent tells of a container that the engine does not have: not yet, or no more.
func absent(want Want, have State, now time.Time, spec *corev1.Container, prev corev1.ContainerStatus, known bool) corev1.ContainerStatus {
	was := known && prev.ContainerID != ""
	if was && (want.ending() || terminal(have.Memory.Status.Phase)) {
		return prev
	}
	out := corev1.ContainerStatus{
		Name: spec.Name, Image: spec.Image, RestartCount: prev.RestartCount, Started: new(bool),
		State: waiting(want, have, now, spec), LastTerminationState: prev.LastTerminationState,
	}
	if was {
		out.ContainerID, out.ImageID = prev.ContainerID, prev.ImageID
		out.LastTerminationState = lastOf(prev)
	}
	return out
}

// lastOf is how a container ended that vanished: as was told, or unknown.
func lastOf(prev corev1.ContainerStatus) corev1.ContainerState {
	switch {
	case prev.State.Terminated != nil:
		return prev.State
	case prev.State.Running != nil:
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown", ContainerID: prev.ContainerID, StartedAt: prev.State.Running.StartedAt,
			Message: "The container could not be located when it was looked for",
		}}
	default:
		return prev.LastTerminationState
	}
}

// waiting says why a container does not run yet.
func waiting(want Want, have State, now time.Time, spec *corev1.Container) corev1.ContainerState {
	w := &corev1.ContainerStateWaiting{Reason: containerCreating}
	if t, ok := have.Memory.Trouble[""]; ok {
		w.Message = t.Message
	}
	if len(want.Pod.Spec.InitContainers) > 0 && !isInitContainer(want.Pod, spec.Name) && !initialized(want.Pod, have) {
		w.Reason = podInitializing
	}
	if t, ok := have.Memory.Trouble[spec.Name]; ok {
		w.Reason, w.Message = t.Reason, t.Message
		if t.Reason == errImagePull && !now.Before(t.At.Add(shown)) {
			w.Reason = "ImagePullBackOff"
			w.Message = fmt.Sprintf("Back-off pulling image %q: %s: %s", spec.Image, t.Reason, t.Message)
		}
	}
	return corev1.ContainerState{Waiting: w}
}

func terminated(c runtime.Container) corev1.ContainerState {
	t := &corev1.ContainerStateTerminated{
		ExitCode:    int32(c.ExitCode),
		Reason:      "Completed",
		Message:     c.Message,
		StartedAt:   metav1.NewTime(c.StartedAt),
		FinishedAt:  metav1.NewTime(c.FinishedAt),
		ContainerID: c.ID,
	}
	switch {
	case c.OOMKilled:
		t.Reason = "OOMKilled"
	case c.Message != "":
		t.Reason = "ContainerCannotRun"
	case c.ExitCode != 0:
		t.Reason = "Error"
	}
	return corev1.ContainerState{Terminated: t}
}

func isInitContainer(pod *corev1.Pod, name string) bool {
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return true
		}
	}
	return false
}
