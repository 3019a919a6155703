package virtual

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents"
)

// StatusOf is what a simulated node says of itself when it joins: what its object
// says that it has, or else a made-up machine.
func StatusOf(node *corev1.Node, now time.Time) corev1.NodeStatus {
	status := *node.Status.DeepCopy()
	info, capacity := agents.SimulatedMachine{}.Describe()
	if status.NodeInfo.OSImage == "" {
		status.NodeInfo = info
		status.NodeInfo.ContainerRuntimeVersion = "simulated://1"
	}
	if status.Capacity == nil {
		status.Capacity = status.Allocatable.DeepCopy()
	}
	if status.Capacity == nil {
		status.Capacity = capacity
	}
	if status.Allocatable == nil {
		status.Allocatable = status.Capacity.DeepCopy()
	}
	if len(status.Addresses) == 0 {
		status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: node.Name}}
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	status.Conditions = nil
	for _, c := range []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID"},
		{Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse, Reason: "NetworkReady"},
		{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", Message: "simulated"},
	} {
		c.LastHeartbeatTime, c.LastTransitionTime = at, at
		status.Conditions = append(status.Conditions, c)
	}
	return status
}
