package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
)

// entry is a Service as names see it. It never changes once it is made.
type entry struct {
	headless bool
	external string       // of an ExternalName: the other name, with its final dot
	addrs    []netip.Addr // the cluster's addresses of it; of a headless one its endpoints'
	hosts    map[string][]netip.Addr
	ports    map[port][]target
	back     map[netip.Addr]string // names of addresses: "" is the Service's own, else a host's
}

// port is a named port, as a question has it without the underscores.
type port struct{ name, protocol string }

// target is where a named port is found: on a host, or "" for the Service.
type target struct {
	host   string
	number uint16
}

// exists says whether the Service's own name does: a headless one needs an
// endpoint.
func (e *entry) exists() bool { return !e.headless || len(e.addrs) > 0 }

// newEntry reads a Service. What is broken in it is left out.
func newEntry(service catalog.Service) *entry {
	e := &entry{hosts: map[string][]netip.Addr{}, ports: map[port][]target{}, back: map[netip.Addr]string{}}
	switch {
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		if name := mdns.Fqdn(strings.ToLower(service.Spec.ExternalName)); isName(name) {
			e.external = name
		}
		return e
	case service.Spec.ClusterIP == corev1.ClusterIPNone:
		e.headless = true
	default:
		e.addClusterIPs(&service.Spec)
	}
	r := reader{entry: e, spec: &service.Spec, seen: map[fact]bool{}}
	for _, slice := range sorted(service.Slices) {
		for i := range slice.Endpoints {
			r.addEndpoint(slice, &slice.Endpoints[i])
		}
	}
	return e
}

// reader fills an entry from slices, in which the same may be said twice: a pod
// of two families has two endpoints.
type reader struct {
	*entry
	spec *corev1.ServiceSpec
	seen map[fact]bool
}

// fact is that a host has an address, or that a port is found there.
type fact struct {
	addr netip.Addr
	port port
	target
}

// first says that this is told for the first time.
func (r *reader) first(f fact) bool {
	before := r.seen[f]
	r.seen[f] = true
	return !before
}

// sorted makes what follows the same whatever the order in which slices came.
func sorted(list []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	return slices.SortedFunc(slices.Values(list), func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
}

func (e *entry) addClusterIPs(spec *corev1.ServiceSpec) {
	for _, text := range append([]string{spec.ClusterIP}, spec.ClusterIPs...) {
		if addr, ok := address(text); ok && !slices.Contains(e.addrs, addr) {
			e.addrs = append(e.addrs, addr)
			e.back[addr] = ""
		}
	}
	for _, p := range spec.Ports {
		if at := (port{p.Name, protocol(p.Protocol)}); isLabel(p.Name) && number(p.Port) {
			e.ports[at] = append(e.ports[at], target{number: uint16(p.Port)})
		}
	}
}

// addEndpoint takes an endpoint that is ready. Behind a cluster IP only its host
// name has a meaning.
func (r *reader) addEndpoint(slice *discoveryv1.EndpointSlice, endpoint *discoveryv1.Endpoint) {
	ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready || r.spec.PublishNotReadyAddresses
	named := endpoint.Hostname != nil && isLabel(*endpoint.Hostname)
	if !ready || (!named && !r.headless) {
		return
	}
	for _, text := range endpoint.Addresses {
		addr, ok := address(text)
		if !ok {
			continue
		}
		host := dashed(addr)
		if named {
			host = *endpoint.Hostname
		}
		if r.first(fact{addr: addr, target: target{host: host}}) {
			r.hosts[host] = append(r.hosts[host], addr)
		}
		if !r.headless {
			continue
		}
		if _, twice := r.back[addr]; !twice {
			r.addrs = append(r.addrs, addr)
			r.back[addr] = host
		}
		r.addPorts(slice.Ports, host)
	}
}

func (r *reader) addPorts(ports []discoveryv1.EndpointPort, host string) {
	for _, p := range ports {
		if p.Name == nil || p.Port == nil || !isLabel(*p.Name) || !number(*p.Port) {
			continue
		}
		at := port{*p.Name, "tcp"}
		if p.Protocol != nil {
			at.protocol = protocol(*p.Protocol)
		}
		if to := (target{host: host, number: uint16(*p.Port)}); r.first(fact{port: at, target: to}) {
			r.ports[at] = append(r.ports[at], to)
		}
	}
}

func address(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

// dashed is the host name of an endpoint that has none of its own.
func dashed(addr netip.Addr) string {
	return strings.NewReplacer(".", "-", ":", "-").Replace(addr.String())
}

func protocol(p corev1.Protocol) string { return strings.ToLower(string(p)) }

func number(n int32) bool { return n > 0 && n <= 65535 }

func isLabel(text string) bool { return len(validation.IsDNS1123Label(text)) == 0 }

// isName holds a name of somebody else against what fits into a message.
func isName(fqdn string) bool {
	_, ok := mdns.IsDomainName(fqdn)
	return ok && fqdn != "." && len(validation.IsDNS1123Subdomain(strings.TrimSuffix(fqdn, "."))) == 0
}
