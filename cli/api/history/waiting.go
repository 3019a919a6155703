package history

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// ordinary are what every container waits for on its way.
var ordinary = []string{"", "ContainerCreating", "PodInitializing"}

// waitingFor is what keeps the containers of a pod, for an event that says that
// something does: ErrImagePull, CrashLoopBackOff.
func waitingFor(ev *proto.Event) string {
	if ev.Kind != string(events.ContainerWaiting) || ev.Encoding != proto.EncodingProtobuf {
		return ""
	}
	var pod corev1.Pod
	if pod.Unmarshal(ev.Body) != nil {
		return "" // history and events -o json tell what is wrong with a body
	}
	var reasons []string
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if wait := status.State.Waiting; wait != nil && !slices.Contains(ordinary, wait.Reason) && !slices.Contains(reasons, wait.Reason) {
			reasons = append(reasons, wait.Reason)
		}
	}
	return strings.Join(reasons, ",")
}
