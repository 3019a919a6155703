package kinds_test

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"segno/events"
	"segno/proto"
)

func serviceKey(name string) proto.ObjectKey {
	return proto.Resource{Name: "services"}.Key("default", name)
}

func (c *cluster) service(name, spec string) *corev1.Service {
	c.Helper()
	return c.create(serviceDoc(name, spec)).(*corev1.Service)
}

func serviceDoc(name, spec string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s}, spec: {%s}}", name, spec)
}

// TestS1ClusterIP: each service that needs an address has one of its own.
func TestS1ClusterIP(t *testing.T) {
	addresses := func() []string {
		c := newCluster(t)
		var all []string
		for i := range 300 {
			all = append(all, c.service(fmt.Sprintf("s%d", i), "ports: [{port: 80}]").Spec.ClusterIP)
		}
		return all
	}
	first, again := addresses(), addresses()
	network, seen := netip.MustParsePrefix("10.96.0.0/16"), sets.New[string]()
	for i, ip := range first {
		if ip != again[i] {
			t.Fatalf("service %d got %s, and %s when the same was decided again", i, ip, again[i])
		}
		if addr, err := netip.ParseAddr(ip); err != nil || !network.Contains(addr) || seen.Has(ip) {
			t.Errorf("service %d got %q: %v", i, ip, err)
		}
		seen.Insert(ip)
	}
}

// TestS1ChosenClusterIP: an address that was asked for is given, or refused in
// Kubernetes' words.
func TestS1ChosenClusterIP(t *testing.T) {
	c := newCluster(t)
	got := c.service("api", "clusterIP: 10.96.0.2, ports: [{port: 443}]")
	if got.Spec.ClusterIP != "10.96.0.2" || len(got.Spec.ClusterIPs) != 1 || got.Spec.ClusterIPs[0] != "10.96.0.2" {
		t.Errorf("got %q and %v", got.Spec.ClusterIP, got.Spec.ClusterIPs)
	}
	_, err := c.try(serviceDoc("again", "clusterIP: 10.96.0.2, ports: [{port: 443}]"))
	c.refused(err, `Service "again" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.2"]: `+
		`failed to allocate IP 10.96.0.2: provided IP is already allocated`)
	for _, ip := range []string{"10.97.0.1", "10.96.0.0", "10.96.255.255", "192.168.0.1"} {
		_, err = c.try(serviceDoc("far", "clusterIP: "+ip+", ports: [{port: 443}]"))
		c.refused(err, fmt.Sprintf(`Service "far" is invalid: spec.clusterIPs: Invalid value: [%q]: failed to allocate IP %s: `+
			`the provided IP (%s) is not in the valid range. The range of valid IPs is 10.96.0.0/16`, ip, ip, ip))
	}
	_, err = c.try(serviceDoc("mapped", "clusterIP: '::ffff:10.96.0.2', ports: [{port: 443}]"))
	c.refused(err, `Service "mapped" is invalid: spec.clusterIPs[0]: Invalid value: "::ffff:10.96.0.2": must not be an IPv4-mapped IPv6 address`)
	if _, err := c.do(events.Delete{Key: serviceKey("api")}); err != nil {
		t.Fatal(err)
	}
	c.service("again", "clusterIP: 10.96.0.2, ports: [{port: 443}]")
}

// TestS7TheAddressOfTheDNS: no other Service gets it by asking.
func TestS7TheAddressOfTheDNS(t *testing.T) {
	c := newCluster(t)
	const spec = "clusterIP: 10.96.0.10, ports: [{port: 53, protocol: UDP}]"
	_, err := c.try(serviceDoc("mine", spec))
	c.refused(err, `Service "mine" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: `+
		`it is the address of the cluster's DNS, which only the Service kube-system/kube-dns can have`)
	c.create("{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}")
	_, obj := load(t, []byte("{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {"+spec+"}}"))
	if _, err := c.do(events.Create{Key: proto.Resource{Name: "services"}.Key("kube-system", "kube-dns"), Object: obj, UID: "dns"}); err != nil {
		t.Error(err)
	}
}

// TestS7TheAddressOfTheAPI: nor this one, free as it may be for a moment.
func TestS7TheAddressOfTheAPI(t *testing.T) {
	c := newCluster(t)
	const spec = "clusterIP: 10.96.0.1, ports: [{port: 443}]"
	_, err := c.try(serviceDoc("mine", spec))
	c.refused(err, `Service "mine" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: `+
		`it is the address of the cluster's API, which only the Service default/kubernetes can have`)
	c.service("kubernetes", spec)
}

// TestS6NoClusterIP: headless and external services have none.
func TestS6NoClusterIP(t *testing.T) {
	c := newCluster(t)
	if got := c.service("headless", "clusterIP: None, selector: {a: b}"); got.Spec.ClusterIP != "None" {
		t.Errorf("headless got %q", got.Spec.ClusterIP)
	}
	if got := c.service("elsewhere", "type: ExternalName, externalName: example.com"); got.Spec.ClusterIP != "" {
		t.Errorf("ExternalName got %q", got.Spec.ClusterIP)
	}
}

// TestS5NodePort: node ports are given, chosen, kept and taken back.
func TestS5NodePort(t *testing.T) {
	c := newCluster(t)
	seen := sets.New[int32]()
	for i := range 50 {
		got := c.service(fmt.Sprintf("s%d", i), "type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 81}]")
		for _, port := range got.Spec.Ports {
			if port.NodePort < 30000 || port.NodePort > 32767 || seen.Has(port.NodePort) {
				t.Errorf("%s got %d", got.Name, port.NodePort)
			}
			seen.Insert(port.NodePort)
		}
	}
	c.service("chosen", "type: NodePort, ports: [{port: 80, nodePort: 30007}]")
	_, err := c.try(serviceDoc("taken", "type: NodePort, ports: [{port: 80, nodePort: 30007}]"))
	c.refused(err, `Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated`)
	_, err = c.try(serviceDoc("low", "type: NodePort, ports: [{port: 80, nodePort: 80}]"))
	c.refused(err, `Service "low" is invalid: spec.ports[0].nodePort: Invalid value: 80: `+
		`provided port is not in the valid range. The range of valid ports is 30000-32767`)

	dns := c.service("dns", "type: NodePort, ports: [{name: tcp, port: 53}, {name: udp, port: 53, protocol: UDP}]")
	if dns.Spec.Ports[0].NodePort == 0 || dns.Spec.Ports[0].NodePort != dns.Spec.Ports[1].NodePort {
		t.Errorf("one port of two protocols got %d and %d", dns.Spec.Ports[0].NodePort, dns.Spec.Ports[1].NodePort)
	}
}

// TestS5ServiceUpdates: what the system gave stays when an update leaves it out,
// and goes when the type has no use for it.
func TestS5ServiceUpdates(t *testing.T) {
	c := newCluster(t)
	before := c.service("s", "type: NodePort, ports: [{port: 80}]")
	replace := func(spec string) *corev1.Service {
		t.Helper()
		_, obj := load(t, []byte(serviceDoc("s", spec)))
		decision, err := c.do(events.Update{Key: serviceKey("s"), Object: obj})
		if err != nil {
			t.Fatal(err)
		}
		return decision.Object.(*corev1.Service)
	}
	after := replace("type: NodePort, ports: [{port: 80, targetPort: 8080}]")
	if after.Spec.ClusterIP != before.Spec.ClusterIP || after.Spec.Ports[0].NodePort != before.Spec.Ports[0].NodePort {
		t.Errorf("kept %q and %d, want %q and %d", after.Spec.ClusterIP, after.Spec.Ports[0].NodePort, before.Spec.ClusterIP, before.Spec.Ports[0].NodePort)
	}
	after, err := c.toType("s", corev1.ServiceTypeClusterIP)
	if err != nil || after.Spec.Ports[0].NodePort != 0 || after.Spec.ClusterIP != before.Spec.ClusterIP || after.Spec.ExternalTrafficPolicy != "" {
		t.Errorf("as ClusterIP: %v, %+v", err, after)
	}
	_, err = c.update(serviceKey("s"), func(obj events.Object) {
		obj.(*corev1.Service).Spec.ClusterIP, obj.(*corev1.Service).Spec.ClusterIPs = "10.96.0.9", []string{"10.96.0.9"}
	})
	c.refused(err, `Service "s" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set`)
	_, err = c.update(serviceKey("s"), func(obj events.Object) {
		spec := &obj.(*corev1.Service).Spec
		spec.Type, spec.ExternalName = corev1.ServiceTypeExternalName, "example.com"
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err = c.toType("s", corev1.ServiceTypeLoadBalancer)
	if err != nil || after.Spec.ClusterIP == "" || after.Spec.Ports[0].NodePort == 0 {
		t.Errorf("as LoadBalancer: %v, %+v", err, after)
	}
	after = replace("type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]")
	if after.Spec.Ports[0].NodePort != 0 {
		t.Errorf("a balancer that wants no node ports has %d", after.Spec.Ports[0].NodePort)
	}
}

// TestS5ALoadBalancerClassGoesWithItsType, unless somebody asks for it anew: that is
// refused.
func TestS5ALoadBalancerClassGoesWithItsType(t *testing.T) {
	c := newCluster(t)
	c.service("s", "type: LoadBalancer, loadBalancerClass: a/b, ports: [{port: 80}]")
	_, err := c.update(serviceKey("s"), func(obj events.Object) {
		spec, other := &obj.(*corev1.Service).Spec, "a/c"
		spec.Type, spec.LoadBalancerClass = corev1.ServiceTypeClusterIP, &other
	})
	c.refused(err, `Service "s" is invalid: spec.loadBalancerClass: Forbidden: may only be used when `+"`type` is 'LoadBalancer'")
	if after, err := c.toType("s", corev1.ServiceTypeClusterIP); err != nil || after.Spec.LoadBalancerClass != nil {
		t.Errorf("as ClusterIP: %v, %+v", err, after)
	}
}

func (c *cluster) toType(name string, kind corev1.ServiceType) (*corev1.Service, error) {
	c.Helper()
	obj, err := c.update(serviceKey(name), func(obj events.Object) { obj.(*corev1.Service).Spec.Type = kind })
	service, _ := obj.(*corev1.Service)
	return service, err
}
