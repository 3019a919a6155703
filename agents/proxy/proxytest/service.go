package proxytest

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/proxy"
)

// The addresses of a test's Service.
const (
	vip, vip6 = "10.96.0.10", "fd00:96::10"
	vipTCP    = "10.96.0.10:80"
	vipTCP6   = "[fd00:96::10]:80"
	vipUDP    = "10.96.0.10:53"
	vipUDP6   = "[fd00:96::10]:53"
	balancer  = "203.0.113.7"
	nodePort  = 30080
	nodeUDP   = 30053
)

// service is a Service with TCP port 80 and UDP port 53, and these backends.
type service struct {
	catalog.Service
	m *machine
}

func (m *machine) service(name string, ip, ip6 string, behind ...string) *service {
	s := &service{m: m}
	s.Service.Service = &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, ClusterIPs: []string{ip, ip6},
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol},
			Ports: []corev1.ServicePort{
				{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80},
				{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53},
			},
		},
	}
	return s.behind(behind...)
}

// web is the Service that most tests have.
func (m *machine) web(behind ...string) *service { return m.service("web", vip, vip6, behind...) }

// behind makes these pods the backends.
func (s *service) behind(pods ...string) *service {
	s.Slices = nil
	http, dns, tcp, udp := "http", "dns", corev1.ProtocolTCP, corev1.ProtocolUDP
	tcpAt, udpAt := int32(tcpPort), int32(udpPort)
	for _, v6 := range []bool{false, true} {
		slice := &discoveryv1.EndpointSlice{
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{
				{Name: &http, Protocol: &tcp, Port: &tcpAt}, {Name: &dns, Protocol: &udp, Port: &udpAt},
			},
		}
		for _, name := range pods {
			p := s.m.pods[name]
			ip := p.ip
			if v6 {
				slice.AddressType, ip = discoveryv1.AddressTypeIPv6, p.ip6
			}
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}, NodeName: &p.node})
		}
		s.Slices = append(s.Slices, slice)
	}
	return s
}

// nodePorts makes it a Service of type NodePort.
func (s *service) nodePorts() *service {
	s.Spec.Type = corev1.ServiceTypeNodePort
	s.Spec.Ports[0].NodePort, s.Spec.Ports[1].NodePort = nodePort, nodeUDP
	return s
}

// balanced makes it a Service of type LoadBalancer.
func (s *service) balanced(sources ...string) *service {
	s.nodePorts()
	s.Spec.Type = corev1.ServiceTypeLoadBalancer
	s.Spec.LoadBalancerSourceRanges = sources
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: balancer}}
	return s
}

func (s *service) sticky(seconds int32) *service {
	s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	s.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
	return s
}

func (s *service) localOutside() *service {
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	return s
}

func (s *service) localInside() *service {
	local := corev1.ServiceInternalTrafficPolicyLocal
	s.Spec.InternalTrafficPolicy = &local
	return s
}

func (s *service) rules(t testing.TB) proxy.Rules {
	t.Helper()
	rules, err := proxy.Plan(s.Service, s.m.as())
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// state is these Services and no others.
func (m *machine) state(t testing.TB, services ...*service) proxy.State {
	t.Helper()
	out := proxy.State{Inside: m.as().Pods}
	for _, s := range services {
		out.Services = append(out.Services, s.rules(t))
	}
	return out
}

func at(ip string, port uint16) string {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port).String()
}
