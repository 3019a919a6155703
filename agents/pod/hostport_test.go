package pod

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS5HostPortsAreTakenOnce: the kernel would refuse a port that leads to two
// places, and the pod would never get its network.
func TestS5HostPortsAreTakenOnce(t *testing.T) {
	p := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{HostPort: 80, ContainerPort: 8000, HostIP: "0.0.0.0"}, {HostPort: 81, ContainerPort: 8001}, {HostPort: 81, ContainerPort: 8001, Protocol: "UDP"},
		}}},
		Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{HostPort: 80, ContainerPort: 8080, Protocol: "TCP"}, {HostPort: 80, ContainerPort: 8081, HostIP: "192.0.2.7"}, {ContainerPort: 9090},
		}}},
	}}
	want := "[{invalid IP TCP 80 8080} {192.0.2.7 TCP 80 8081} {invalid IP TCP 81 8001} {invalid IP UDP 81 8001}]"
	if got := fmt.Sprint(hostPorts(p)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.Spec.HostNetwork = true
	if got := hostPorts(p); len(got) > 0 {
		t.Errorf("in the host's network: %v", got)
	}
}
