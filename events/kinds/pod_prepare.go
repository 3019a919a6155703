package kinds

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// The priorities of the two classes that every cluster has.
const (
	systemClusterCritical = 2_000_000_000
	systemNodeCritical    = systemClusterCritical + 1000
)

// preparePod gives a new pod the status it begins with.
func preparePod(pod *corev1.Pod) {
	pod.Generation = 1
	preparePriority(&pod.Spec)
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: podQuality(pod)}
	if len(pod.Spec.SchedulingGates) > 0 {
		pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated,
			Message: "Scheduling is blocked due to non-empty scheduling gates",
		}}
	}
}

// preparePriority fills in what the pod's priority class stands for, as far as
// the class is one that every cluster has.
func preparePriority(spec *corev1.PodSpec) {
	switch spec.PriorityClassName {
	case "":
		fillPointer(&spec.Priority, 0)
	case "system-cluster-critical":
		fillPointer(&spec.Priority, systemClusterCritical)
	case "system-node-critical":
		fillPointer(&spec.Priority, systemNodeCritical)
	}
	fillPointer(&spec.PreemptionPolicy, corev1.PreemptLowerPriority)
}

// preparePodUpdate keeps the priority that an update leaves out.
func preparePodUpdate(pod, old *corev1.Pod) {
	if pod.Spec.Priority == nil {
		pod.Spec.Priority = old.Spec.Priority
	}
	if pod.Spec.PreemptionPolicy == nil {
		pod.Spec.PreemptionPolicy = old.Spec.PreemptionPolicy
	}
	pod.Status = old.Status
	raiseGeneration(pod, old, !equality.Semantic.DeepEqual(pod.Spec, old.Spec))
}

// preparePodStatus keeps the QoS class, which is decided once, and keeps the
// older fields for one address in step with the newer ones for several.
func preparePodStatus(pod, old *corev1.Pod) {
	status := &pod.Status
	fill(&status.QOSClass, old.Status.QOSClass)
	switch {
	case len(status.PodIPs) > 0:
		fill(&status.PodIP, status.PodIPs[0].IP)
	case status.PodIP != "":
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	switch {
	case len(status.HostIPs) > 0:
		fill(&status.HostIP, status.HostIPs[0].IP)
	case status.HostIP != "":
		status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	}
}

// podQuality is the pod's QoS class: Guaranteed when every container is limited
// in both CPU and memory to what it requests, BestEffort when none requests or
// is limited in either.
func podQuality(pod *corev1.Pod) corev1.PodQOSClass {
	all := make([]corev1.ResourceRequirements, 0, len(pod.Spec.Containers)+len(pod.Spec.InitContainers))
	for i := range pod.Spec.Containers {
		all = append(all, pod.Spec.Containers[i].Resources)
	}
	for i := range pod.Spec.InitContainers {
		all = append(all, pod.Spec.InitContainers[i].Resources)
	}
	if whole := pod.Spec.Resources; whole != nil && asksCompute(whole) {
		all = []corev1.ResourceRequirements{*whole}
	}
	asks, guaranteed := false, true
	for i := range all {
		asks = asks || asksCompute(&all[i])
		guaranteed = guaranteed && isGuaranteed(&all[i])
	}
	switch {
	case !asks:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}

var computeResources = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}

func asksCompute(resources *corev1.ResourceRequirements) bool {
	for _, name := range computeResources {
		request, limit := resources.Requests[name], resources.Limits[name]
		if request.Sign() > 0 || limit.Sign() > 0 {
			return true
		}
	}
	return false
}

func isGuaranteed(resources *corev1.ResourceRequirements) bool {
	for _, name := range computeResources {
		limit := resources.Limits[name]
		request, asked := resources.Requests[name]
		if limit.Sign() <= 0 || (asked && request.Cmp(limit) != 0) {
			return false
		}
	}
	return true
}
