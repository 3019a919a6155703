package kinds_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// ranged is a cluster with ranges of its own.
func ranged(t *testing.T, networks, ports string) *cluster {
	c := newCluster(t)
	c.create(fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, annotations: {%s: %q, %s: %q}}}",
		kinds.ServiceNetworkAnnotation, networks, kinds.NodePortsAnnotation, ports))
	return c
}

// families says how a Service is reached: its policy, families and addresses, with
// the addresses that it chose itself.
func families(s *corev1.Service) string {
	policy := ""
	if s.Spec.IPFamilyPolicy != nil {
		policy = string(*s.Spec.IPFamilyPolicy)
	}
	var ips []string
	for _, ip := range s.Spec.ClusterIPs {
		if address, err := netip.ParseAddr(ip); err == nil && !strings.HasSuffix(ip, "77") {
			if ip = "4"; address.Is6() {
				ip = "6"
			}
		}
		ips = append(ips, ip)
	}
	return strings.TrimSpace(fmt.Sprint(policy, s.Spec.IPFamilies, ips))
}

// TestS1DualStack: what Services get on clusters of one family and of two.
func TestS1DualStack(t *testing.T) {
	const (
		four, six, both, turned = "10.1.0.0/20", "fd00:1::/112", "10.1.0.0/20,fd00:1::/112", "fd00:1::/112,10.1.0.0/20"
		ports                   = "ports: [{port: 80}]"
	)
	for _, c := range []struct{ networks, spec, want string }{
		{four, ports, "SingleStack[IPv4] [4]"},
		{six, ports, "SingleStack[IPv6] [6]"},
		{both, ports, "SingleStack[IPv4] [4]"},
		{turned, ports, "SingleStack[IPv6] [6]"},
		{both, "ipFamilies: [IPv6], " + ports, "SingleStack[IPv6] [6]"},
		{four, "ipFamilies: [IPv6], " + ports, `spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster`},
		{both, "ipFamilyPolicy: PreferDualStack, " + ports, "PreferDualStack[IPv4 IPv6] [4 6]"},
		{turned, "ipFamilyPolicy: PreferDualStack, " + ports, "PreferDualStack[IPv6 IPv4] [6 4]"},
		{both, "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6], " + ports, "RequireDualStack[IPv6 IPv4] [6 4]"},
		{four, "ipFamilyPolicy: PreferDualStack, " + ports, "PreferDualStack[IPv4] [4]"},
		{four, "ipFamilyPolicy: RequireDualStack, " + ports, `spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services`},
		{both, "ipFamilies: [IPv4, IPv6], " + ports, `spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`},
		{both, "clusterIPs: [10.1.0.77, 'fd00:1::77'], " + ports, `spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified`},
		{both, "ipFamilyPolicy: RequireDualStack, clusterIPs: [10.1.0.77, 'fd00:1::77'], " + ports, "RequireDualStack[IPv4 IPv6] [10.1.0.77 fd00:1::77]"},
		{both, "ipFamilyPolicy: PreferDualStack, clusterIP: 'fd00:1::77', " + ports, "PreferDualStack[IPv6 IPv4] [fd00:1::77 4]"},
		{both, "clusterIP: 'fd00:1::77', " + ports, "SingleStack[IPv6] [fd00:1::77]"},
		{four, "clusterIP: 'fd00:1::77', " + ports, `spec.clusterIPs[0]: Invalid value: ["fd00:1::77"]: IPv6 is not configured on this cluster`},
		{both, "clusterIP: 'fd00:2::77', " + ports, `spec.clusterIPs: Invalid value: ["fd00:2::77"]: failed to allocate IP fd00:2::77: the provided IP (fd00:2::77) is not in the valid range. The range of valid IPs is fd00:1::/112`},
		{both, "ipFamilyPolicy: PreferDualStack, clusterIPs: [10.1.0.77, 'fd00:2::77'], " + ports, `spec.clusterIPs: Invalid value: ["10.1.0.77","fd00:2::77"]: failed to allocate IP fd00:2::77: the provided IP (fd00:2::77) is not in the valid range. The range of valid IPs is fd00:1::/112`},
		{both, "clusterIP: 10.1.16.0, " + ports, `spec.clusterIPs: Invalid value: ["10.1.16.0"]: failed to allocate IP 10.1.16.0: the provided IP (10.1.16.0) is not in the valid range. The range of valid IPs is 10.1.0.0/20`},
		{both, "clusterIP: None, selector: {a: b}", "SingleStack[IPv4] [None]"},
		{both, "clusterIP: None, selector: {a: b}, ipFamilyPolicy: PreferDualStack", "PreferDualStack[IPv4 IPv6] [None]"},
		{four, "clusterIP: None", "RequireDualStack[IPv4 IPv6] [None]"},
		{six, "clusterIP: None", "RequireDualStack[IPv6 IPv4] [None]"},
		{four, "clusterIP: None, ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]", "SingleStack[IPv6] [None]"},
		{both, "type: ExternalName, externalName: example.com", "[] []"},
	} {
		got, err := ranged(t, c.networks, "30000-32767").try(serviceDoc("s", c.spec))
		said := strings.TrimPrefix(fmt.Sprint(err), `Service "s" is invalid: `)
		if err == nil {
			said = families(got.(*corev1.Service))
		}
		if said != c.want {
			t.Errorf("%s on %s: got\n  %s\nwant\n  %s", c.spec, c.networks, said, c.want)
		}
	}
}

// TestS1DualStackChanges: a second family comes and goes as its author says, and
// never by itself.
func TestS1DualStackChanges(t *testing.T) {
	const both = "10.1.0.0/20,fd00:1::/112"
	const single, double = "ports: [{port: 80}]", "ipFamilyPolicy: RequireDualStack, clusterIPs: [10.1.0.77, 'fd00:1::77'], ports: [{port: 80}]"
	policy := func(to corev1.IPFamilyPolicy) func(*corev1.ServiceSpec) {
		return func(spec *corev1.ServiceSpec) { spec.IPFamilyPolicy = &to }
	}
	for name, c := range map[string]struct {
		spec   string
		change func(spec *corev1.ServiceSpec)
		want   string
	}{
		"nothing":  {double, func(*corev1.ServiceSpec) {}, "RequireDualStack[IPv4 IPv6] [10.1.0.77 fd00:1::77]"},
		"a second": {single, policy(corev1.IPFamilyPolicyPreferDualStack), "PreferDualStack[IPv4 IPv6] [4 6]"},
		"a second, chosen": {single, func(s *corev1.ServiceSpec) {
			policy("PreferDualStack")(s)
			s.ClusterIPs = append(s.ClusterIPs, "fd00:1::77")
		}, "PreferDualStack[IPv4 IPv6] [4 fd00:1::77]"},
		"down": {double, policy(corev1.IPFamilyPolicySingleStack), "SingleStack[IPv4] [10.1.0.77]"},
		"down, by a PUT": {double, func(s *corev1.ServiceSpec) {
			s.ClusterIP, s.ClusterIPs, s.IPFamilies = "", nil, nil
			policy("SingleStack")(s)
		}, "SingleStack[IPv4] [10.1.0.77]"},
		"a PUT of its own": {double, func(s *corev1.ServiceSpec) {
			s.ClusterIP, s.ClusterIPs, s.IPFamilies, s.IPFamilyPolicy = "", nil, nil, nil
		}, "RequireDualStack[IPv4 IPv6] [10.1.0.77 fd00:1::77]"},
		"a PUT of one IP":   {double, func(s *corev1.ServiceSpec) { s.ClusterIPs, s.IPFamilies, s.IPFamilyPolicy = nil, nil, nil }, "RequireDualStack[IPv4 IPv6] [10.1.0.77 fd00:1::77]"},
		"left out":          {double, func(s *corev1.ServiceSpec) { s.ClusterIPs = s.ClusterIPs[:1] }, `spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary cluster IP`},
		"family left out":   {double, func(s *corev1.ServiceSpec) { s.IPFamilies = s.IPFamilies[:1] }, `spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary IP family`},
		"the first changes": {double, func(s *corev1.ServiceSpec) { s.ClusterIP, s.ClusterIPs[0] = "10.1.0.9", "10.1.0.9" }, `spec.clusterIPs[0]: Invalid value: ["10.1.0.9","fd00:1::77"]: may not change once set`},
		"clusterIP alone":   {double, func(s *corev1.ServiceSpec) { s.ClusterIP = "10.1.0.9" }, `spec.clusterIPs[0]: Invalid value: ["10.1.0.9","fd00:1::77"]: may not change once set`},
		"turned": {double, func(s *corev1.ServiceSpec) {
			slices.Reverse(s.ClusterIPs)
			slices.Reverse(s.IPFamilies)
			s.ClusterIP = s.ClusterIPs[0]
		}, `[spec.clusterIPs[0]: Invalid value: ["fd00:1::77","10.1.0.77"]: may not change once set, spec.clusterIPs[1]: Invalid value: ["fd00:1::77","10.1.0.77"]: may not change once set, ` +
			`spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: may not change once set, spec.ipFamilies[1]: Invalid value: ["IPv6","IPv4"]: may not change once set]`},
		"to a name": {double, func(s *corev1.ServiceSpec) { s.Type, s.ExternalName = corev1.ServiceTypeExternalName, "example.com" }, "[] []"},
		"from a name": {"type: ExternalName, externalName: example.com", func(s *corev1.ServiceSpec) {
			s.Type, s.Ports = corev1.ServiceTypeNodePort, []corev1.ServicePort{{Port: 80}}
			policy("PreferDualStack")(s)
		}, "PreferDualStack[IPv4 IPv6] [4 6]"},
		"no longer headless": {"clusterIP: None, selector: {a: b}, ports: [{port: 80}]", func(s *corev1.ServiceSpec) { s.ClusterIP, s.ClusterIPs = "10.1.0.77", []string{"10.1.0.77"} }, `spec.clusterIPs[0]: Invalid value: ["10.1.0.77"]: may not change once set`},
		"headless, a second": {"clusterIP: None, selector: {a: b}, ports: [{port: 80}]", policy(corev1.IPFamilyPolicyPreferDualStack), "PreferDualStack[IPv4 IPv6] [None]"},
		"headless, of its own endpoints": {"clusterIP: None, ipFamilies: [IPv4], ipFamilyPolicy: SingleStack", func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol} },
			"SingleStack[IPv6] [None]"},
	} {
		cl := ranged(t, both, "30000-32767")
		cl.service("s", c.spec)
		got, err := cl.update(serviceKey("s"), func(obj events.Object) { c.change(&obj.(*corev1.Service).Spec) })
		said := strings.TrimPrefix(fmt.Sprint(err), `Service "s" is invalid: `)
		if err == nil {
			said = families(got.(*corev1.Service))
		}
		if said != c.want {
			t.Errorf("%s: got\n  %s\nwant\n  %s", name, said, c.want)
		}
	}
}

// TestS1PreferDualStackStays: a Service that took what there was gets no second
// address because the cluster has a second family since.
func TestS1PreferDualStackStays(t *testing.T) {
	c := newCluster(t)
	c.service("s", "ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]")
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system, annotations: {segno/service-cidr: '10.96.0.0/16,fd00::/112'}}}")
	got, err := c.update(serviceKey("s"), func(obj events.Object) { obj.SetLabels(map[string]string{"a": "b"}) })
	if err != nil || families(got.(*corev1.Service)) != "PreferDualStack[IPv4] [4]" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestS1RangesAreFull: small ranges are given out to their last number, and then
// the error says which range is full; what is freed is given out again.
func TestS1RangesAreFull(t *testing.T) {
	c := ranged(t, "10.1.0.0/28,fd00:1::/124", "30000-30002")
	const double = "ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]"
	seen := map[string]bool{}
	for i := range 12 { // of 14, one is the DNS's and one the API's
		for _, ip := range c.service(fmt.Sprintf("s%d", i), double).Spec.ClusterIPs {
			if seen[ip] || ip == "10.1.0.10" || ip == "10.1.0.1" {
				t.Errorf("%s is given out, and was %t before", ip, seen[ip])
			}
			seen[ip] = true
		}
	}
	_, err := c.try(serviceDoc("more", double))
	c.refused(err, `Service "more" is invalid: spec.clusterIPs: Internal error: failed to allocate a serviceIP: range is full: all addresses of 10.1.0.0/28 are in use`)
	for i := range 3 { // of IPv6 there are 15
		c.service(fmt.Sprintf("six%d", i), "ipFamilies: [IPv6], ports: [{port: 80}]")
	}
	_, err = c.try(serviceDoc("more", "ipFamilies: [IPv6], ports: [{port: 80}]"))
	c.refused(err, `Service "more" is invalid: spec.clusterIPs: Internal error: failed to allocate a serviceIP: range is full: all addresses of fd00:1::/124 are in use`)
	if _, err := c.do(events.Delete{Key: serviceKey("s7")}); err != nil {
		t.Fatal(err)
	}
	c.service("again", double)

	for i := range 3 {
		_, err := c.update(serviceKey(fmt.Sprintf("s%d", i)), func(obj events.Object) { obj.(*corev1.Service).Spec.Type = corev1.ServiceTypeNodePort })
		if err != nil {
			t.Fatal(err)
		}
	}
	full := func(err error) {
		t.Helper()
		c.refused(err, `Service "s3" is invalid: spec.ports[0].nodePort: Internal error: failed to allocate a nodePort: range is full: all ports of 30000-30002 are in use`)
	}
	_, err = c.update(serviceKey("s3"), func(obj events.Object) { obj.(*corev1.Service).Spec.Type = corev1.ServiceTypeNodePort })
	full(err)
	_, err = c.update(serviceKey("s3"), func(obj events.Object) {
		spec := &obj.(*corev1.Service).Spec
		spec.Type, spec.Ports[0].NodePort = corev1.ServiceTypeLoadBalancer, 30003
	})
	c.refused(err, `Service "s3" is invalid: spec.ports[0].nodePort: Invalid value: 30003: provided port is not in the valid range. The range of valid ports is 30000-30002`)
	if _, err := c.do(events.Delete{Key: serviceKey("s0")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.update(serviceKey("s3"), func(obj events.Object) { obj.(*corev1.Service).Spec.Type = corev1.ServiceTypeNodePort }); err != nil {
		t.Error(err)
	}
}

// TestS5HealthCheckNodePort: a balancer of local traffic gets a port for the
// question whether a node has endpoints; it is as unique as the others.
func TestS5HealthCheckNodePort(t *testing.T) {
	c := newCluster(t)
	const local = "type: LoadBalancer, externalTrafficPolicy: Local, "
	given := c.service("given", local+"ports: [{port: 80}]")
	if p := given.Spec.HealthCheckNodePort; p < 30000 || p > 32767 || p == given.Spec.Ports[0].NodePort {
		t.Errorf("got %d beside %d", p, given.Spec.Ports[0].NodePort)
	}
	c.service("chosen", local+"healthCheckNodePort: 30500, ports: [{port: 80}]")
	_, err := c.try(serviceDoc("taken", local+"healthCheckNodePort: 30500, ports: [{port: 80}]"))
	c.refused(err, `Service "taken" is invalid: spec.healthCheckNodePort: Invalid value: 30500: failed to allocate requested HealthCheck NodePort 30500: provided port is already allocated`)
	_, err = c.try(serviceDoc("far", local+"healthCheckNodePort: 80, ports: [{port: 80}]"))
	c.refused(err, `Service "far" is invalid: spec.healthCheckNodePort: Invalid value: 80: failed to allocate requested HealthCheck NodePort 80: `+
		`provided port is not in the valid range. The range of valid ports is 30000-32767`)
	_, err = c.try(serviceDoc("both", local+"healthCheckNodePort: 30600, ports: [{port: 80, nodePort: 30600}]"))
	c.refused(err, `Service "both" is invalid: spec.healthCheckNodePort: Invalid value: 30600: is the nodePort of one of its ports`)
	_, err = c.try(serviceDoc("as-port", "type: NodePort, ports: [{port: 80, nodePort: 30500}]"))
	c.refused(err, `Service "as-port" is invalid: spec.ports[0].nodePort: Invalid value: 30500: provided port is already allocated`)
	_, err = c.update(serviceKey("chosen"), func(obj events.Object) {
		spec := &obj.(*corev1.Service).Spec
		spec.Ports = append(spec.Ports, corev1.ServicePort{Name: "b", Port: 81, NodePort: 30500})
		spec.Ports[0].Name = "a"
	})
	c.refused(err, `Service "chosen" is invalid: spec.ports[1].nodePort: Invalid value: 30500: provided port is already allocated`)
	after, err := c.update(serviceKey("chosen"), func(obj events.Object) {
		obj.(*corev1.Service).Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	})
	if err != nil || after.(*corev1.Service).Spec.HealthCheckNodePort != 0 {
		t.Errorf("no longer local: %v, %v", after, err)
	}
}

// TestS5BalancerWithoutNodePorts: it gets none, keeps those that it had, and may
// ask for one; what it asks for has to be free.
func TestS5BalancerWithoutNodePorts(t *testing.T) {
	c := newCluster(t)
	const none = "type: LoadBalancer, allocateLoadBalancerNodePorts: false, "
	c.service("holder", "type: NodePort, ports: [{port: 80, nodePort: 30007}]")
	_, err := c.try(serviceDoc("taken", none+"ports: [{port: 80, nodePort: 30007}]"))
	c.refused(err, `Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated`)
	got := c.service("asks", none+"ports: [{name: a, port: 80, nodePort: 30008}, {name: b, port: 81}]")
	if got.Spec.Ports[0].NodePort != 30008 || got.Spec.Ports[1].NodePort != 0 {
		t.Errorf("%+v", got.Spec.Ports)
	}
	after, err := c.update(serviceKey("holder"), func(obj events.Object) {
		spec := &obj.(*corev1.Service).Spec
		no := false
		spec.Type, spec.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, &no
	})
	if err != nil || after.(*corev1.Service).Spec.Ports[0].NodePort != 30007 {
		t.Errorf("what it had: %v, %v", after, err)
	}
}

// TestS1ServiceWithManyPorts: 300 ports are as good as one, with node ports too;
// thousands are taken and warned of, and do not take long.
func TestS1ServiceWithManyPorts(t *testing.T) {
	many := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "{name: p%d, port: %d%s},", i, i+1, more)
		}
		return "ports: [" + b.String() + "]"
	}
	c := newCluster(t)
	got := c.service("wide", "type: NodePort, "+many(300, ""))
	seen := map[int32]bool{}
	for _, port := range got.Spec.Ports {
		seen[port.NodePort] = true
	}
	if len(seen) != 300 || seen[0] {
		t.Errorf("%d node ports", len(seen))
	}
	_, err := c.try(serviceDoc("wider", "type: NodePort, "+many(3000, "")))
	if err == nil || !strings.Contains(err.Error(), "range is full: all ports of 30000-32767 are in use") {
		t.Errorf("%.200v", err)
	}
	widest := c.service("widest", many(20000, ""))
	if says := table.Of(proto.Resource{Name: "services"}).Warn(widest, nil); fmt.Sprint(says) != "[spec.ports: of 20000 ports, the first 1000 are served]" {
		t.Error(says)
	}
	if _, err := c.update(serviceKey("widest"), func(obj events.Object) { obj.SetLabels(map[string]string{"a": "b"}) }); err != nil {
		t.Errorf("%.200v", err)
	}
}

// TestS1RangesOfServices: what can be chosen, and what cannot.
func TestS1RangesOfServices(t *testing.T) {
	for text, says := range map[string]string{
		"10.96.0.0/16": "", "10.0.0.0/8": "", "10.1.0.0/28": "", "fd00::/108": "", "fd00::/124,10.1.0.0/24": "",
		"": "want a network", "10.1.0.0": "want a network", "10.1.0.0/29": "too small", "fd00::/125": "too small", "10.0.0.0/7": "too large",
		"10.1.0.1/16": "the network itself is 10.1.0.0/16", "10.1.0.0/16,10.2.0.0/16": "two of one family", "127.0.0.0/8": "cannot have addresses",
		"169.254.0.0/16": "cannot have", "224.0.0.0/8": "cannot have", "fe80::/64": "cannot have", "::ffff:10.1.0.0/112": "cannot have", "0.0.0.0/8": "cannot have",
	} {
		if _, err := kinds.ParseServiceNetworks(text); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	for text, ok := range map[string]bool{
		"30000-32767": true, "30000": true, "1-65535": true, "0-10": false, "": false, "x-y": false, "10-9": false, "1-65536": false, "-5": false, "1-2-3": false,
	} {
		if _, err := kinds.ParsePortRange(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestS1RangesStay: the network of Services cannot be changed, nor lost by
// leaving it out; what cannot be read is refused.
func TestS1RangesStay(t *testing.T) {
	c := ranged(t, "10.1.0.0/24", "30000-30009")
	key := proto.Resource{Name: "namespaces"}.Key("", "kube-system")
	annotate := func(annotations map[string]string) error {
		_, err := c.update(key, func(obj events.Object) { obj.SetAnnotations(annotations) })
		return err
	}
	if err := annotate(nil); err != nil {
		t.Error(err)
	}
	c.refused(annotate(map[string]string{kinds.ServiceNetworkAnnotation: "10.2.0.0/24"}),
		`Namespace "kube-system" is invalid: metadata.annotations[segno/service-cidr]: Invalid value: "10.2.0.0/24": may not change once set: it is 10.1.0.0/24, chosen at the cluster's first start`)
	c.refused(annotate(map[string]string{kinds.NodePortsAnnotation: "many"}),
		`Namespace "kube-system" is invalid: metadata.annotations[segno/service-node-port-range]: Invalid value: "many": node ports "many": want a range such as 30000-32767, within 1-65535`)
	if err := annotate(map[string]string{kinds.NodePortsAnnotation: "31000-31009"}); err != nil {
		t.Error(err)
	}
	ranges, set, err := kinds.RangesOfServices(c.view)
	if err != nil || !set || fmt.Sprint(ranges) != "{[10.1.0.0/24] 31000-31009}" || ranges.DNS().String() != "10.1.0.10" {
		t.Errorf("%v, %v, %v", ranges, set, err)
	}
}

// TestS2SlicesAreBounded: more endpoints or addresses than Kubernetes allows are
// refused, with how many are allowed.
func TestS2SlicesAreBounded(t *testing.T) {
	slice := func(endpoints, addresses int) string {
		one := "{addresses: [" + strings.TrimSuffix(strings.Repeat("10.0.0.1,", addresses), ",") + "]}"
		return "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, addressType: IPv4, endpoints: [" +
			strings.TrimSuffix(strings.Repeat(one+",", endpoints), ",") + "]}"
	}
	c := newCluster(t)
	_, err := c.try(slice(1001, 1))
	c.refused(err, `EndpointSlice.discovery.k8s.io "s" is invalid: endpoints: Too many: 1001: must have at most 1000 items`)
	_, err = c.try(slice(1, 101))
	c.refused(err, `EndpointSlice.discovery.k8s.io "s" is invalid: endpoints[0].addresses: Too many: 101: must have at most 100 items`)
	c.create(slice(1000, 1))
}
