package endpoints

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilnet "k8s.io/utils/net"

	"segno/events/kinds"
	"segno/events/podstate"
)

// backend is a pod as a Service sees it.
type backend struct {
	pod      *corev1.Pod
	ports    []discoveryv1.EndpointPort // the Service's ports, as numbers of this pod
	serving  bool                       // answers requests
	ready    bool                       // should get new ones
	hostname string                     // in the Service's DNS domain
	zone     string                     // of its node; "" is unknown
}

func newBackend(svc *corev1.Service, pod *corev1.Pod) backend {
	b := backend{pod: pod, serving: podstate.Ready(pod)}
	b.ready = svc.Spec.PublishNotReadyAddresses || (b.serving && pod.DeletionTimestamp == nil)
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == svc.Name {
		b.hostname = pod.Spec.Hostname
	}
	for i := range svc.Spec.Ports[:min(len(svc.Spec.Ports), kinds.MostServedPorts)] {
		port := &svc.Spec.Ports[i]
		number, ok := portNumber(pod, port)
		if !ok {
			continue // the pod has no port of that name
		}
		b.ports = append(b.ports, discoveryv1.EndpointPort{
			Name: &port.Name, Protocol: &port.Protocol, Port: &number, AppProtocol: port.AppProtocol,
		})
	}
	return b
}

// portNumber finds the pod's port behind a Service's port.
func portNumber(pod *corev1.Pod, port *corev1.ServicePort) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal == 0 {
			return port.Port, true
		}
		return port.TargetPort.IntVal, true
	}
	for i := range pod.Spec.Containers {
		if n, ok := named(pod.Spec.Containers[i].Ports, port); ok {
			return n, true
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue // only a sidecar still runs when the pod serves
		}
		if n, ok := named(c.Ports, port); ok {
			return n, true
		}
	}
	return 0, false
}

func named(ports []corev1.ContainerPort, wanted *corev1.ServicePort) (int32, bool) {
	for i := range ports {
		if ports[i].Name == wanted.TargetPort.StrVal && ports[i].Protocol == wanted.Protocol {
			return ports[i].ContainerPort, true
		}
	}
	return 0, false
}

// address is the backend's address of a family, "" when it has none.
func (b *backend) address(family corev1.IPFamily) string {
	wantsV6 := family == corev1.IPv6Protocol
	for _, ip := range b.pod.Status.PodIPs {
		if utilnet.IsIPv6String(ip.IP) == wantsV6 {
			return ip.IP
		}
	}
	if utilnet.IsIPv6String(b.pod.Status.PodIP) == wantsV6 {
		return b.pod.Status.PodIP
	}
	return ""
}

func (b *backend) reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: b.pod.Namespace, Name: b.pod.Name, UID: b.pod.UID}
}

// node is the backend's node, nil when it has none.
func (b *backend) node() *string {
	if b.pod.Spec.NodeName == "" {
		return nil
	}
	return &b.pod.Spec.NodeName
}

// families lists the address families of a Service, the main one first.
func families(svc *corev1.Service) []corev1.IPFamily {
	if len(svc.Spec.IPFamilies) == 0 {
		return []corev1.IPFamily{corev1.IPv4Protocol}
	}
	return svc.Spec.IPFamilies
}
