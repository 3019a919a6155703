package kinds

import (
	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"
)

// evictionSeconds is how long a pod tolerates a node that is not ready or not
// reachable, unless it says otherwise.
const evictionSeconds = 300

// defaultServiceAccount is the account of a pod that names none.
const defaultServiceAccount = "default"

// defaultPod fills in a pod's own defaults, among them those that Kubernetes
// gives by admission: service account and tolerations.
func defaultPod(pod *corev1.Pod) {
	spec := &pod.Spec
	fill(&spec.ServiceAccountName, spec.DeprecatedServiceAccount)
	fill(&spec.ServiceAccountName, defaultServiceAccount)
	defaultPodSpec(spec)
	fillPointer(&spec.EnableServiceLinks, corev1.DefaultEnableServiceLinks)
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			requestLimits(&containers[i].Resources)
			if spec.HostNetwork {
				useHostPorts(containers[i].Ports)
			}
		}
	}
	defaultPodResources(pod)
	defaultTolerations(spec)
}

// requestLimits requests what is limited and not requested.
func requestLimits(resources *corev1.ResourceRequirements) {
	for name, limit := range resources.Limits {
		if _, asked := resources.Requests[name]; asked {
			continue
		}
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		resources.Requests[name] = limit.DeepCopy()
	}
}

func useHostPorts(ports []corev1.ContainerPort) {
	for i := range ports {
		fill(&ports[i].HostPort, ports[i].ContainerPort)
	}
}

// defaultPodResources requests, for the pod as a whole, what its containers
// request together, or else what the pod is limited to.
func defaultPodResources(pod *corev1.Pod) {
	spec := &pod.Spec
	if spec.Resources == nil || len(spec.Resources.Limits) == 0 {
		return
	}
	for name, sum := range resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{}) {
		_, asked := spec.Resources.Requests[name]
		if asked || (name != corev1.ResourceCPU && name != corev1.ResourceMemory) {
			continue
		}
		if spec.Resources.Requests == nil {
			spec.Resources.Requests = corev1.ResourceList{}
		}
		spec.Resources.Requests[name] = sum
	}
	requestLimits(spec.Resources)
}

func defaultTolerations(spec *corev1.PodSpec) {
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		if !toleratesEviction(spec.Tolerations, key) {
			spec.Tolerations = append(spec.Tolerations, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
				TolerationSeconds: new(int64(evictionSeconds)),
			})
		}
	}
}

func toleratesEviction(tolerations []corev1.Toleration, key string) bool {
	for i := range tolerations {
		t := &tolerations[i]
		matches := t.Key == key || t.Key == ""
		if matches && (t.Effect == corev1.TaintEffectNoExecute || t.Effect == "") {
			return true
		}
	}
	return false
}
