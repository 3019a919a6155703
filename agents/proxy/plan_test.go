package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
)

var here = Node{
	Name: "n1", Zone: "z1", Addresses: []netip.Addr{
		netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1"),
		netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::1"),
	},
}

// sample is a Service with port 80, named by nobody, and no endpoints.
func sample() catalog.Service {
	return catalog.Service{Service: &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.7", ClusterIPs: []string{"10.96.0.7"},
			Ports: []corev1.ServicePort{{Port: 80}},
		},
	}}
}

// ep is an endpoint: its address, then words: node=, zone=, for=, notready, dying, silent.
func ep(text string) discoveryv1.Endpoint {
	words := strings.Fields(text)
	e := discoveryv1.Endpoint{Addresses: words[:1]}
	hint := func() *discoveryv1.EndpointHints {
		if e.Hints == nil {
			e.Hints = &discoveryv1.EndpointHints{}
		}
		return e.Hints
	}
	yes, no := true, false
	for _, word := range words[1:] {
		key, v, _ := strings.Cut(word, "=")
		switch key {
		case "node":
			e.NodeName = &v
		case "zone":
			hint().ForZones = append(hint().ForZones, discoveryv1.ForZone{Name: v})
		case "for":
			hint().ForNodes = append(hint().ForNodes, discoveryv1.ForNode{Name: v})
		case "ready":
			e.Conditions.Ready = &yes
		case "notready":
			e.Conditions.Ready, e.Conditions.Serving = &no, &no
		case "dying":
			e.Conditions.Ready, e.Conditions.Serving, e.Conditions.Terminating = &no, &yes, &yes
		case "silent":
			e.Conditions.Ready, e.Conditions.Serving, e.Conditions.Terminating = &no, &no, &yes
		}
	}
	return e
}

func sliceOf(port string, number int32, endpoints ...string) *discoveryv1.EndpointSlice {
	tcp := corev1.ProtocolTCP
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1"}, AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{{Name: &port, Protocol: &tcp, Port: &number}},
	}
	for _, e := range endpoints {
		s.Endpoints = append(s.Endpoints, ep(e))
		if strings.Contains(strings.Fields(e)[0], ":") {
			s.AddressType = discoveryv1.AddressTypeIPv6
		}
	}
	return s
}

// show is a plan, a line a frontend.
func show(r Rules) string {
	var out []string
	choice := func(c Choice) string {
		var names []string
		for _, b := range c.Backends {
			name := b.Address.String()
			if b.Local {
				name += "*"
			}
			names = append(names, name)
		}
		if len(names) == 0 {
			return map[bool]string{true: "drop", false: "reject"}[c.Drop]
		}
		return strings.Join(names, " ")
	}
	for _, f := range r.Frontends {
		line := fmt.Sprintf("%s %s: %s", f.Kind, f.Dial, choice(f.Outside))
		if f.Split() {
			line += ", inside " + choice(f.Inside)
		}
		if f.Affinity > 0 {
			line += ", sticky " + f.Affinity.String()
		}
		if f.Limited {
			line += fmt.Sprintf(", only %v", f.Sources)
		}
		if f.Masquerade {
			line += ", masquerade"
		}
		out = append(out, line)
	}
	if r.Health.Port != 0 {
		out = append(out, fmt.Sprintf("health %d: %d", r.Health.Port, r.Health.Local))
	}
	return strings.Join(out, "\n")
}

func TestS3PlanOfAService(t *testing.T) {
	tcpLocal, internalLocal := corev1.ServiceExternalTrafficPolicyLocal, corev1.ServiceInternalTrafficPolicyLocal
	proxyMode := corev1.LoadBalancerIPModeProxy
	for _, c := range []struct {
		name  string
		edit  func(*catalog.Service)
		want  string
		flaws []string
	}{
		{"nobody behind it is refused", func(*catalog.Service) {}, "cluster IP TCP 10.96.0.7:80: reject, masquerade", nil},
		{"ready ones, once, in order", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.9", "10.0.0.5 ready node=n1", "10.0.0.7 notready"), sliceOf("", 8080, "10.0.0.5 node=n1", "10.0.0.6 dying"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080* 10.0.0.9:8080, masquerade", nil},
		{"none ready: those that end but serve", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 dying", "10.0.0.6 silent", "10.0.0.7 notready"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080, masquerade", nil},
		{"hints of zones", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 zone=z1", "10.0.0.6 zone=z2"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080, masquerade", nil},
		{"hints that not all have", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 zone=z1", "10.0.0.6"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080 10.0.0.6:8080, masquerade", nil},
		{"hints for other zones only", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 zone=z3", "10.0.0.6 zone=z2"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080 10.0.0.6:8080, masquerade", nil},
		{"hints of nodes come first", func(s *catalog.Service) {
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 zone=z1 for=n2", "10.0.0.6 zone=z1 for=n1"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.6:8080, masquerade", nil},
		{"ports by name, also of another number", func(s *catalog.Service) {
			s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "dns", Protocol: "UDP", Port: 53}}
			s.Slices = append(s.Slices, sliceOf("http", 8080, "10.0.0.5"), sliceOf("http", 8081, "10.0.0.6"), sliceOf("dns", 53, "10.0.0.5"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080 10.0.0.6:8081, masquerade\ncluster IP UDP 10.96.0.7:53: reject, masquerade", nil},
		{"both families", func(s *catalog.Service) {
			s.Spec.ClusterIPs = append(s.Spec.ClusterIPs, "fd00::7")
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5"), sliceOf("", 8080, "fd00:1::5"))
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080, masquerade\ncluster IP TCP [fd00::7]:80: [fd00:1::5]:8080, masquerade", nil},
		{"internal policy Local", func(s *catalog.Service) {
			s.Spec.InternalTrafficPolicy = &internalLocal
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 node=n2"))
		}, "cluster IP TCP 10.96.0.7:80: drop, masquerade", nil},
		{"load balancer, external policy Local", func(s *catalog.Service) {
			s.Spec.Type, s.Spec.ExternalTrafficPolicy, s.Spec.HealthCheckNodePort = corev1.ServiceTypeLoadBalancer, tcpLocal, 31000
			s.Spec.Ports[0].NodePort, s.Spec.ExternalIPs = 30080, []string{"203.0.113.9"}
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "203.0.113.7"}, {IP: "203.0.113.8", IPMode: &proxyMode}, {Hostname: "x"}}
			s.Spec.LoadBalancerSourceRanges = []string{"10.1.2.3/8", "fd00::/8"}
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5 node=n1 dying", "10.0.0.6 node=n2"))
		}, strings.TrimSpace(`
cluster IP TCP 10.96.0.7:80: 10.0.0.6:8080, masquerade
node port TCP 192.0.2.1:30080: 10.0.0.5:8080*, inside 10.0.0.6:8080
node port TCP 198.51.100.1:30080: 10.0.0.5:8080*, inside 10.0.0.6:8080
load balancer TCP 203.0.113.7:80: 10.0.0.5:8080*, inside 10.0.0.6:8080, only [10.0.0.0/8]
external IP TCP 203.0.113.9:80: 10.0.0.5:8080*, inside 10.0.0.6:8080
health 31000: 1`), nil},
		{"affinity by default and at will", func(s *catalog.Service) {
			s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
		}, "cluster IP TCP 10.96.0.7:80: reject, sticky 3h0m0s, masquerade", nil},
		{"headless", func(s *catalog.Service) { s.Spec.ClusterIP = "None" }, "", nil},
		{"external name", func(s *catalog.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }, "", nil},
		{"another proxy's", func(s *catalog.Service) { s.Labels = map[string]string{serviceProxyName: ""} }, "", nil},
		{"nonsense among sense", func(s *catalog.Service) {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "zero"}, corev1.ServicePort{Name: "odd", Port: 81, Protocol: "ICMP"}, corev1.ServicePort{Name: "again", Port: 80})
			s.Spec.ExternalIPs = []string{"127.0.0.1", "rubbish", "224.0.0.1", "::ffff:10.0.0.1"}
			s.Slices = append(s.Slices, sliceOf("", 8080, "10.0.0.5", "127.0.0.1", "10.96.0.7"), sliceOf("", 0, "10.0.0.8"))
			s.Slices[0].Endpoints = append(s.Slices[0].Endpoints, discoveryv1.Endpoint{}, discoveryv1.Endpoint{Addresses: []string{"fd00::1"}})
		}, "cluster IP TCP 10.96.0.7:80: 10.0.0.5:8080, masquerade",
			[]string{"shop/web", `"rubbish"`, `"224.0.0.1"`, "127.0.0.1 cannot be an endpoint", "and 4 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sample()
			c.edit(&s)
			rules, err := Plan(s, here)
			if got := show(rules); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if (err != nil) != (len(c.flaws) > 0) {
				t.Errorf("error %v, want one that says %q", err, c.flaws)
			}
			for _, flaw := range c.flaws {
				if err != nil && !strings.Contains(err.Error(), flaw) {
					t.Errorf("error %v does not say %s", err, flaw)
				}
			}
			slices.Reverse(s.Slices)
			if again, _ := Plan(s, here); !again.Equal(&rules) {
				t.Errorf("in another order:\n%s", show(again))
			}
		})
	}
}

func TestS5NodePortAddresses(t *testing.T) {
	s := sample()
	s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30080
	s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	node := here
	for ranges, want := range map[string]string{
		"":                         "192.0.2.1 198.51.100.1 2001:db8::1",
		"198.51.100.0/24":          "198.51.100.1",
		"127.0.0.0/8 2001:db8::/8": "127.0.0.1 2001:db8::1",
		"203.0.113.0/24":           "",
	} {
		node.NodePorts = nil
		for _, r := range strings.Fields(ranges) {
			node.NodePorts = append(node.NodePorts, netip.MustParsePrefix(r))
		}
		rules, err := Plan(s, node)
		var got []string
		for _, f := range rules.Frontends {
			if f.Kind == NodePort {
				got = append(got, f.Dial.Address.String())
			}
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("%q: %v, %v, want %s", ranges, got, err, want)
		}
	}
}

func TestS3AServiceWithThousandsOfPorts(t *testing.T) {
	s := sample()
	for i := range 5000 {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprint(i), Port: int32(i + 1000)})
	}
	began := time.Now()
	rules, err := Plan(s, here)
	if len(rules.Frontends) != mostPorts || err == nil || !strings.Contains(err.Error(), "4001 ports") {
		t.Errorf("%d frontends, %v", len(rules.Frontends), err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}
