package announce

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
)

// Each address has one node; they are spread, all nodes agree, and a node that
// fails moves only what it had.
func TestS5AddressesAreSpreadOverNodesAndStay(t *testing.T) {
	const nodes, addresses = 5, 1000
	var all []*corev1.Node
	for i := range nodes {
		all = append(all, node(fmt.Sprintf("n%d", i), "198.18.0.0/15"))
	}
	holders := func(among []candidate) map[netip.Addr]string {
		out := map[netip.Addr]string{}
		address := netip.MustParseAddr("198.18.0.1")
		for range addresses {
			out[address] = holder(address, among, nil)
			address = address.Next()
		}
		return out
	}
	whole := holders(candidates(all))
	count := map[string]int{}
	for _, name := range whole {
		count[name]++
	}
	for i := range nodes {
		if n := count[fmt.Sprintf("n%d", i)]; n < addresses/nodes*3/4 || n > addresses/nodes*5/4 {
			t.Errorf("node n%d has %d of %d addresses", i, n, addresses)
		}
	}
	slices.Reverse(all) // another node hears of them in another order
	for address, name := range holders(candidates(all)) {
		if whole[address] != name {
			t.Fatalf("%s: one node says %s, another %s", address, whole[address], name)
		}
	}
	all[2] = ready(all[2], corev1.ConditionUnknown)
	for address, name := range holders(candidates(all)) {
		if name == all[2].Name || whole[address] != all[2].Name && whole[address] != name {
			t.Fatalf("%s: moved from %s to %s when %s failed", address, whole[address], name, all[2].Name)
		}
	}
}

func ready(n *corev1.Node, is corev1.ConditionStatus) *corev1.Node {
	n.Status.Conditions[0].Status = is
	return n
}

func TestS5OnlyNodesThatCanTakeTrafficAnnounce(t *testing.T) {
	kept := node("kept", "")
	kept.Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""}
	unserved := node("unserved", "")
	unserved.Status.Conditions = unserved.Status.Conditions[:1]
	far := node("far", "203.0.113.0/24,nonsense")
	nowhere := node("nowhere", "none")
	address := netip.MustParseAddr("192.0.2.7")
	all := []*corev1.Node{kept, unserved, far, nowhere, ready(node("silent", ""), corev1.ConditionUnknown)}
	if got := holder(address, candidates(all), nil); got != "far" {
		t.Errorf("held by %q, want the one that is at least somewhere", got)
	}
	if got := holder(address, candidates(append(all, node("here", ""))), nil); got != "here" {
		t.Errorf("held by %q, want the one on its network", got)
	}
	if got := holder(address, candidates(all[:2]), nil); got != "" {
		t.Errorf("held by %q, want nobody", got)
	}
}

func TestS5TheRollFollowsServicesAndTheirEndpoints(t *testing.T) {
	yes, no := true, false
	local := service("web", "192.0.2.7", "2001:db8:1::7", "nonsense")
	local.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	proxied := service("web", "192.0.2.7")
	proxied.Labels = map[string]string{"service.kubernetes.io/service-proxy-name": "other"}
	elsewhere := service("web", "192.0.2.7")
	mode := corev1.LoadBalancerIPModeProxy
	elsewhere.Status.LoadBalancer.Ingress[0].IPMode = &mode
	theirs := service("web", "192.0.2.7")
	theirs.Status.Conditions = nil
	class := "example.com/lb"
	classed := service("web", "192.0.2.7")
	classed.Spec.LoadBalancerClass = &class
	plain := service("web", "192.0.2.7")
	plain.Spec.Type = corev1.ServiceTypeClusterIP
	v4, v6 := discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
	for name, c := range map[string]struct {
		service *corev1.Service
		slices  []*discoveryv1.EndpointSlice
		want    string
	}{
		"a Service":                  {service: service("web", "192.0.2.7"), want: "[192.0.2.7]"},
		"local, with no endpoint":    {service: local, want: "[]"},
		"local, endpoints elsewhere": {service: local, slices: []*discoveryv1.EndpointSlice{slice("web", "n2", v4, discoveryv1.EndpointConditions{})}, want: "[]"},
		"local, one not ready":       {service: local, slices: []*discoveryv1.EndpointSlice{slice("web", "n1", v4, discoveryv1.EndpointConditions{Ready: &no})}, want: "[]"},
		"local, of one family": {service: local, want: "[2001:db8:1::7]", slices: []*discoveryv1.EndpointSlice{
			slice("web", "n1", v6, discoveryv1.EndpointConditions{Ready: &yes}), slice("web", "n2", v4, discoveryv1.EndpointConditions{Ready: &yes}),
		}},
		"local, the last one ends": {service: local, want: "[192.0.2.7]", slices: []*discoveryv1.EndpointSlice{
			slice("web", "n1", v4, discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}),
		}},
		"another proxy's":         {service: proxied, want: "[]"},
		"another load balancer's": {service: theirs, want: "[]"},
		"of another class":        {service: classed, want: "[]"},
		"no load balancer":        {service: plain, want: "[]"},
		"in mode Proxy":           {service: elsewhere, want: "[]"},
	} {
		r := roll{self: "n1", among: candidates([]*corev1.Node{node("n1", "")}), of: map[types.NamespacedName]entry{}}
		if len(c.slices) > 0 {
			r.among = candidates([]*corev1.Node{node("n1", ""), node("n2", "")})
		}
		r.put(types.NamespacedName{Namespace: "shop", Name: "web"}, catalog.Service{Service: c.service, Slices: c.slices}, true)
		if got := fmt.Sprint(r.mine()); got != c.want {
			t.Errorf("%s: announces %s, want %s", name, got, c.want)
		}
	}
}

// Two Services should never have one address; if they do, one decides.
func TestS5AnAddressOfTwoServicesIsTheOlderOnes(t *testing.T) {
	r := roll{self: "n1", among: candidates([]*corev1.Node{node("n1", "")}), of: map[types.NamespacedName]entry{}}
	local := service("a", "192.0.2.7")
	local.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal // and nobody is behind it
	for name, s := range map[string]*corev1.Service{"a": local, "b": service("b", "192.0.2.7")} {
		r.put(types.NamespacedName{Namespace: "shop", Name: name}, catalog.Service{Service: s}, true)
	}
	if got := r.mine(); len(got) != 0 {
		t.Errorf("announces %v, which the other has", got)
	}
	if !r.put(types.NamespacedName{Namespace: "shop", Name: "a"}, catalog.Service{}, false) || len(r.mine()) != 1 {
		t.Errorf("announces %v once it is gone", r.mine())
	}
}
