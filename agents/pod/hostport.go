package pod

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
)

// hostPorts are the node's ports that lead to the pod. Pods of the host's network
// listen on them by themselves.
func hostPorts(pod *corev1.Pod) (out []network.HostPort) {
	if pod.Spec.HostNetwork {
		return nil
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, p := range list[i].Ports {
				if p.HostPort <= 0 {
					continue
				}
				address, _ := netip.ParseAddr(p.HostIP) // none is all of them
				protocol := string(p.Protocol)
				if protocol == "" {
					protocol = string(corev1.ProtocolTCP)
				}
				out = append(out, network.HostPort{Address: address, Protocol: protocol, Port: uint16(p.HostPort), Target: uint16(p.ContainerPort)})
			}
		}
	}
	return out
}
