package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime"
)

// Status is what is told of a pod. It is pure, and never goes back: a
// terminal phase stays, a restart count does not fall, and what the engine no
// longer has is told as it was last.
func Status(want Want, have State, now time.Time) corev1.PodStatus {
	pod, prev := want.Pod, have.Memory.Status
	out := corev1.PodStatus{
		ObservedGeneration:    pod.Generation,
		StartTime:             &metav1.Time{Time: have.Memory.Since},
		QOSClass:              qosOf(pod, prev),
		NominatedNodeName:     prev.NominatedNodeName,
		ResourceClaimStatuses: prev.ResourceClaimStatuses,
	}
	if have.Node.Address.IsValid() {
		out.HostIP = have.Node.Address.String()
		out.HostIPs = []corev1.HostIP{{IP: out.HostIP}}
	}
	addresses(&out, want, have)
	out.InitContainerStatuses = containerStatuses(want, have, now, pod.Spec.InitContainers)
	out.ContainerStatuses = containerStatuses(want, have, now, pod.Spec.Containers)
	out.Phase, out.Reason, out.Message = phase(want, have, now)
	out.Conditions = conditions(want, have, out, now)
	return out
}

// addresses keeps the last known ones of a pod that has come to its end.
func addresses(out *corev1.PodStatus, want Want, have State) {
	s := have.Runtime.Sandbox
	switch {
	case s != nil && s.State == runtime.Running && s.HostNetwork:
		out.PodIP = out.HostIP
	case s != nil && s.State == runtime.Running && have.Memory.Attached == s.ID && s.Address.IsValid():
		out.PodIP = s.Address.String()
	case want.ending() || terminal(have.Memory.Status.Phase):
		out.PodIP = have.Memory.Status.PodIP
	}
	if out.PodIP == "" {
		return
	}
	out.PodIPs = []corev1.PodIP{{IP: out.PodIP}}
	switch last := have.Memory.Status; {
	case s != nil && s.Second.IsValid() && out.PodIP == s.Address.String():
		out.PodIPs = append(out.PodIPs, corev1.PodIP{IP: s.Second.String()})
	case s == nil && out.PodIP == last.PodIP && len(last.PodIPs) > 1:
		out.PodIPs = last.PodIPs
	}
}

// phase sums the containers up.
func phase(want Want, have State, now time.Time) (phase corev1.PodPhase, reason, message string) {
	prev := have.Memory.Status
	if terminal(prev.Phase) {
		return prev.Phase, prev.Reason, prev.Message
	}
	if terminal(want.Pod.Status.Phase) {
		return want.Pod.Status.Phase, want.Pod.Status.Reason, want.Pod.Status.Message
	}
	if at, limited := deadline(want, have); limited && !now.Before(at) && !want.ending() && !anyRunning(have) {
		return corev1.PodFailed, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
	}
	if initFailed(want.Pod, have) {
		return corev1.PodFailed, "", ""
	}
	return mainPhase(want, have), "", ""
}

// mainPhase looks at the main containers alone.
func mainPhase(want Want, have State) corev1.PodPhase {
	started, over, failed := 0, 0, 0
	containers := want.Pod.Spec.Containers
	for i := range containers {
		latest, there := have.Runtime.Latest(containers[i].Name)
		prev, known := told(have, containers[i].Name)
		switch {
		case there && latest.State == runtime.Exited:
			started++
			if want.ending() || !restarts(want.Pod.Spec.RestartPolicy, latest) {
				over++
			}
			if latest.ExitCode != 0 {
				failed++
			}
		case there && latest.State == runtime.Running, there && latest.Ref.Attempt > 0:
			started++
		case !there && known && prev.State.Terminated != nil && want.ending():
			started++
			over++
			if prev.State.Terminated.ExitCode != 0 {
				failed++
			}
		case !there && known && prev.ContainerID != "":
			started++
		}
	}
	switch {
	case started < len(containers):
		return corev1.PodPending
	case over < len(containers):
		return corev1.PodRunning
	case failed > 0:
		return corev1.PodFailed
	default:
		return corev1.PodSucceeded
	}
}

// qosOf keeps what the control plane computed, else computes it.
func qosOf(pod *corev1.Pod, prev corev1.PodStatus) corev1.PodQOSClass {
	if prev.QOSClass != "" {
		return prev.QOSClass
	}
	guaranteed, any := true, false
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			r := &list[i].Resources
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				request, limit := r.Requests[name], r.Limits[name]
				any = any || !request.IsZero() || !limit.IsZero()
				if limit.IsZero() || (!request.IsZero() && request.Cmp(limit) != 0) {
					guaranteed = false
				}
			}
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}
