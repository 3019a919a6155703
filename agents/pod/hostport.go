package pod

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
)

// hostPorts are the node's ports that lead to the pod, each once. Init containers
// may want what another container wants, too, which then has it. Pods of the
// host's network listen on them by themselves.
func hostPorts(pod *corev1.Pod) (out []network.HostPort) {
	if pod.Spec.HostNetwork {
		return nil
	}
	type port struct {
		address  netip.Addr
		protocol string
		port     uint16
	}
	taken := map[port]bool{}
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			for j := range list[i].Ports {
				p := hostPort(&list[i].Ports[j])
				at := port{p.Address, p.Protocol, p.Port}
				if p.Port > 0 && !taken[at] {
					taken[at] = true
					out = append(out, p)
				}
			}
		}
	}
	return out
}

func hostPort(p *corev1.ContainerPort) network.HostPort {
	out := network.HostPort{Protocol: string(p.Protocol), Port: uint16(p.HostPort), Target: uint16(p.ContainerPort)}
	if address, err := netip.ParseAddr(p.HostIP); err == nil && !address.IsUnspecified() { // else all of them
		out.Address = address.Unmap()
	}
	if out.Protocol == "" {
		out.Protocol = string(corev1.ProtocolTCP)
	}
	return out
}
