package announce

import (
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/agents/proxy"
	"segno/events/kinds"
)

// roll says which addresses there are, and which of them this node announces.
type roll struct {
	self  string
	among []candidate
	taken map[netip.Addr]bool            // by nodes and their gateways
	of    map[types.NamespacedName]entry // Services that have addresses
}

// entry is a Service as far as announcing it goes.
type entry struct {
	since     time.Time
	addresses []netip.Addr
	// local says by family, true being IPv6, which nodes have endpoints; nil is
	// that this does not matter.
	local map[bool]map[string]bool
}

// put takes a Service as it is now, and tells whether that can matter.
func (r *roll) put(name types.NamespacedName, service catalog.Service, there bool) bool {
	_, had := r.of[name]
	if !there || !announced(service.Service) {
		delete(r.of, name)
		return had
	}
	r.of[name] = entry{
		since: service.CreationTimestamp.Time, addresses: kinds.LoadBalancerAddresses(service.Service), local: localOf(service),
	}
	return true
}

// announced tells whether the Service's addresses are ours to announce.
func announced(s *corev1.Service) bool {
	return kinds.Balanced(s) && kinds.Addressed(s) && proxy.Served(s)
}

// localOf are the nodes with ready endpoints, where only they may take traffic;
// those with endpoints that end but still serve, when none is ready.
func localOf(s catalog.Service) map[bool]map[string]bool {
	if s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return nil
	}
	ready, ending := map[bool]map[string]bool{false: {}, true: {}}, map[bool]map[string]bool{false: {}, true: {}}
	for _, slice := range s.Slices {
		v6 := slice.AddressType == discoveryv1.AddressTypeIPv6
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			switch c := &e.Conditions; {
			case e.NodeName == nil:
			case c.Ready == nil || *c.Ready:
				ready[v6][*e.NodeName] = true
			case c.Serving != nil && *c.Serving && c.Terminating != nil && *c.Terminating:
				ending[v6][*e.NodeName] = true
			}
		}
	}
	for v6, nodes := range ready {
		if len(nodes) == 0 {
			ready[v6] = ending[v6]
		}
	}
	return ready
}

// all are all addresses, each with the Service that has it: the older one, should
// there be two.
func (r *roll) all() map[netip.Addr]types.NamespacedName {
	out := map[netip.Addr]types.NamespacedName{}
	for name, e := range r.of {
		for _, address := range e.addresses {
			other, taken := out[address]
			if !taken || e.older(name, r.of[other], other) {
				out[address] = name
			}
		}
	}
	return out
}

func (e entry) older(name types.NamespacedName, o entry, other types.NamespacedName) bool {
	if by := e.since.Compare(o.since); by != 0 {
		return by < 0
	}
	return name.String() < other.String()
}

// mine are the addresses that this node announces, in order.
func (r *roll) mine() []netip.Addr {
	var out []netip.Addr
	for address, name := range r.all() {
		var may func(string) bool
		if local := r.of[name].local; local != nil {
			may = func(node string) bool { return local[address.Is6()][node] }
		}
		if holder(address, r.among, may) == r.self {
			out = append(out, address)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
