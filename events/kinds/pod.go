package kinds

import (
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func podKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Pod"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "pods"),
		Singular:   "pod",
		ShortNames: []string{"po"},
		Categories: []string{"all"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Pod{} },
		NewList: func() runtime.Object { return &corev1.PodList{} },

		HasStatus:    true,
		Subresources: []string{"attach", "binding", "eviction", "exec", "log", "portforward"},

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultPod),
		PrepareCreate:  one(preparePod),
		PrepareUpdate:  two(preparePodUpdate),
		PrepareStatus:  two(preparePodStatus),
		Validate:       check(validatePod),
		ValidateUpdate: compare(validatePodUpdate),
		ValidateStatus: compare(validatePodStatus),
		Warn:           warn(warnPod),
		Grace:          podGrace,
		Classify:       classify(classifyPod),
		Fields:         selectable(podFields),
		FieldNames: []string{
			"spec.hostNetwork", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
			"status.nominatedNodeName", "status.phase", "status.podIP", "status.podIPs",
		},
		Columns: podColumns,
		Row:     row(podRow),
	}
}

func podFields(pod *corev1.Pod) fields.Set {
	ips := ""
	for i, ip := range pod.Status.PodIPs {
		if i > 0 {
			ips += ","
		}
		ips += ip.IP
	}
	hostNetwork := "false"
	if pod.Spec.HostNetwork {
		hostNetwork = "true"
	}
	return fields.Set{
		"spec.hostNetwork":         hostNetwork,
		"spec.nodeName":            pod.Spec.NodeName,
		"spec.restartPolicy":       string(pod.Spec.RestartPolicy),
		"spec.schedulerName":       pod.Spec.SchedulerName,
		"spec.serviceAccountName":  pod.Spec.ServiceAccountName,
		"status.nominatedNodeName": pod.Status.NominatedNodeName,
		"status.phase":             string(pod.Status.Phase),
		"status.podIP":             pod.Status.PodIP,
		"status.podIPs":            ips,
	}
}

// podGrace is how long a pod has to end. One that runs nowhere, or no longer,
// ends at once.
func podGrace(obj events.Object, asked *int64) int64 {
	pod := obj.(*corev1.Pod)
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return 0
	}
	grace := deref(pod.Spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	if asked != nil {
		grace = *asked
	}
	if grace < 0 { // documented as "immediately, but through the node"
		return 1
	}
	return grace
}
