package proxy

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"segno/agents/catalog"
)

// endpoint is an endpoint of one port, as far as it matters here.
type endpoint struct {
	Backend
	ready bool
	dying bool // still serves, while it terminates
	zones []discoveryv1.ForZone
	nodes []discoveryv1.ForNode
}

// pool is who may answer on one port in one address family.
type pool struct {
	all   []Backend // for those whom every endpoint may serve
	local []Backend // on this node
}

// choose is who gets new connections under a policy.
func (p pool) choose(localOnly bool) Choice {
	if localOnly {
		return Choice{Backends: p.local, Drop: len(p.local) == 0 && len(p.all) > 0}
	}
	return Choice{Backends: p.all}
}

// Endpoints are who may answer on a TCP port of a Service, of either address
// family: the ready ones, as far as hints keep them for this node, or those that
// still serve while they end. What cannot be read is left out.
func Endpoints(service catalog.Service, port *corev1.ServicePort, node Node) []netip.AddrPort {
	var out []netip.AddrPort
	for _, v6 := range []bool{false, true} {
		for _, backend := range poolOf(service.Slices, port, corev1.ProtocolTCP, v6, node, &flaws{}).all {
			out = append(out, backend.Address)
		}
	}
	return out
}

// poolOf reads who may answer on a port of a Service.
func poolOf(slicesOf []*discoveryv1.EndpointSlice, port *corev1.ServicePort, protocol corev1.Protocol, v6 bool, node Node, bad *flaws) pool {
	var all []endpoint
	for _, slice := range slicesOf {
		if slice.AddressType != family(v6) {
			continue
		}
		for i := range slice.Ports {
			at := &slice.Ports[i]
			if value(at.Name) != port.Name || cmp.Or(value(at.Protocol), corev1.ProtocolTCP) != protocol {
				continue
			}
			number := value(at.Port)
			if number < 1 || number > 65535 {
				bad.add("slice %s, port %q: %d is no port", slice.Name, port.Name, number)
				continue
			}
			for j := range slice.Endpoints {
				if e, ok := read(slice, &slice.Endpoints[j], uint16(number), node, bad); ok {
					all = append(all, e)
				}
			}
		}
	}
	var local []endpoint
	for _, e := range all {
		if e.Local {
			local = append(local, e)
		}
	}
	return pool{all: near(all, node), local: backends(alive(local))}
}

func read(slice *discoveryv1.EndpointSlice, from *discoveryv1.Endpoint, port uint16, node Node, bad *flaws) (endpoint, bool) {
	if len(from.Addresses) == 0 {
		bad.add("slice %s: an endpoint without an address", slice.Name)
		return endpoint{}, false
	}
	// The addresses of an endpoint are one and the same: the first is enough.
	address, err := netip.ParseAddr(from.Addresses[0])
	if err != nil || address.Is6() != (slice.AddressType == discoveryv1.AddressTypeIPv6) || address.Zone() != "" {
		bad.add("slice %s: %q is no %s address", slice.Name, from.Addresses[0], slice.AddressType)
		return endpoint{}, false
	}
	if !reachable(address) {
		bad.add("slice %s: %s cannot be an endpoint", slice.Name, address)
		return endpoint{}, false
	}
	ready := from.Conditions.Ready == nil || *from.Conditions.Ready
	serving := ready
	if from.Conditions.Serving != nil {
		serving = *from.Conditions.Serving
	}
	e := endpoint{
		Backend: Backend{Address: netip.AddrPortFrom(address, port), Local: node.Name != "" && value(from.NodeName) == node.Name},
		ready:   ready, dying: serving && value(from.Conditions.Terminating),
	}
	if from.Hints != nil {
		e.zones, e.nodes = from.Hints.ForZones, from.Hints.ForNodes
	}
	return e, true
}

// reachable says that an address may be dialled from anywhere: one that means
// another host to each who reads it would turn clients on themselves.
func reachable(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.Is4In6()
}

// alive are the ready ones, or those that still serve while they end, when
// none is ready.
func alive(of []endpoint) []endpoint {
	ready := only(of, func(e *endpoint) bool { return e.ready })
	if len(ready) > 0 {
		return ready
	}
	return only(of, func(e *endpoint) bool { return e.dying })
}

// near are those that the hints keep for this node or its zone. Hints hold only
// if all ready endpoints have them and somebody is left.
func near(of []endpoint, node Node) []Backend {
	all := alive(of)
	hinted := func(has func(*endpoint) bool) bool {
		return !slices.ContainsFunc(all, func(e endpoint) bool { return !e.ready || !has(&e) })
	}
	if node.Name != "" && hinted(func(e *endpoint) bool { return len(e.nodes) > 0 }) {
		mine := only(all, func(e *endpoint) bool {
			return slices.ContainsFunc(e.nodes, func(n discoveryv1.ForNode) bool { return n.Name == node.Name })
		})
		if len(mine) > 0 {
			return backends(mine)
		}
	}
	if node.Zone != "" && hinted(func(e *endpoint) bool { return len(e.zones) > 0 }) {
		mine := only(all, func(e *endpoint) bool {
			return slices.ContainsFunc(e.zones, func(z discoveryv1.ForZone) bool { return z.Name == node.Zone })
		})
		if len(mine) > 0 {
			return backends(mine)
		}
	}
	return backends(all)
}

func only(of []endpoint, which func(*endpoint) bool) []endpoint {
	var out []endpoint
	for i := range of {
		if which(&of[i]) {
			out = append(out, of[i])
		}
	}
	return out
}

// backends are the endpoints in order, each address once.
func backends(of []endpoint) []Backend {
	var out []Backend
	for _, e := range of {
		out = append(out, e.Backend)
	}
	slices.SortFunc(out, func(a, b Backend) int {
		if by := a.Compare(b); by != 0 || a.Local == b.Local {
			return by
		}
		if a.Local { // the one that is kept
			return -1
		}
		return 1
	})
	return slices.CompactFunc(out, func(a, b Backend) bool { return a.Address == b.Address })
}

func family(v6 bool) discoveryv1.AddressType {
	if v6 {
		return discoveryv1.AddressTypeIPv6
	}
	return discoveryv1.AddressTypeIPv4
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
