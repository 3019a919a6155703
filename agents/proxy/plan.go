package proxy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/events/kinds"
)

// serviceProxyName is the label of Services that another proxy serves.
const serviceProxyName = "service.kubernetes.io/service-proxy-name"

// mostPorts of one Service are served.
const mostPorts = kinds.MostServedPorts

// Plan answers what this node does for a Service. What makes no sense is left
// out and named by the error; the rest is planned.
func Plan(service catalog.Service, node Node) (Rules, error) {
	name := types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
	p := planner{
		service: service, node: node, bad: flaws{of: name.String()}, taken: map[Dial]bool{},
		nodeAddresses: node.nodePortAddresses(),
	}
	if !Served(service.Service) {
		return Rules{Service: name}, nil
	}
	p.addresses()
	p.affinity = p.readAffinity()
	p.readSources()
	ports := service.Spec.Ports
	if len(ports) > mostPorts {
		p.bad.add("%d ports beyond the first %d", len(ports)-mostPorts, mostPorts)
		ports = ports[:mostPorts]
	}
	for i := range ports {
		p.port(&ports[i])
	}
	slices.SortFunc(p.out, func(a, b Frontend) int { return a.Dial.Compare(b.Dial) })
	return Rules{Service: name, Frontends: p.out, Health: p.health()}, p.bad.err()
}

// Served says that a Service has virtual ports, and that they are ours.
func Served(s *corev1.Service) bool {
	if s.Spec.Type == corev1.ServiceTypeExternalName || s.Spec.ClusterIP == corev1.ClusterIPNone {
		return false
	}
	_, others := s.Labels[serviceProxyName]
	return !others
}

// planner is a plan in the making.
type planner struct {
	service       catalog.Service
	node          Node
	nodeAddresses []netip.Addr
	virtual       []virtual
	affinity      time.Duration
	sources       map[bool][]netip.Prefix // by whether they are IPv6
	taken         map[Dial]bool
	local         map[netip.Addr]struct{} // backends on this node
	out           []Frontend
	bad           flaws
}

// virtual is an address of the Service's own.
type virtual struct {
	address netip.Addr
	kind    Kind
}

// addresses collects the Service's own addresses, the more certain first.
func (p *planner) addresses() {
	spec := &p.service.Spec
	ips := spec.ClusterIPs
	if len(ips) == 0 && spec.ClusterIP != "" {
		ips = []string{spec.ClusterIP}
	}
	for _, ip := range ips {
		p.address(ip, ClusterIP)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		for _, in := range p.service.Status.LoadBalancer.Ingress {
			// A load balancer in mode Proxy sends to node ports by itself.
			if in.IP != "" && (in.IPMode == nil || *in.IPMode == corev1.LoadBalancerIPModeVIP) {
				p.address(in.IP, LoadBalancer)
			}
		}
	}
	for _, ip := range spec.ExternalIPs {
		p.address(ip, ExternalIP)
	}
}

func (p *planner) address(text string, kind Kind) {
	address, err := netip.ParseAddr(text)
	if err != nil || !reachable(address) || address.Zone() != "" {
		p.bad.add("%q cannot be its %s", text, kind)
		return
	}
	p.virtual = append(p.virtual, virtual{address, kind})
}

// port plans one port of the Service, on every address.
func (p *planner) port(port *corev1.ServicePort) {
	protocol := cmp.Or(port.Protocol, corev1.ProtocolTCP)
	switch protocol {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		p.bad.add("port %q: protocol %q is not TCP, UDP or SCTP", port.Name, protocol)
		return
	}
	pools := map[bool]pool{}
	behind := func(v6 bool) pool {
		if _, ok := pools[v6]; !ok {
			pools[v6] = p.pool(port, protocol, v6)
		}
		return pools[v6]
	}
	if port.Port < 1 || port.Port > 65535 {
		p.bad.add("port %q: %d is no port", port.Name, port.Port)
	} else {
		for _, v := range p.virtual {
			p.frontend(Dial{protocol, v.address, uint16(port.Port)}, v.kind, behind(v.address.Is6()))
		}
	}
	if port.NodePort == 0 || p.service.Spec.Type != corev1.ServiceTypeNodePort && p.service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return
	}
	if port.NodePort < 1 || port.NodePort > 65535 {
		p.bad.add("port %q: node port %d is no port", port.Name, port.NodePort)
		return
	}
	for _, address := range p.nodeAddresses {
		if p.hasFamily(address.Is6()) {
			p.frontend(Dial{protocol, address, uint16(port.NodePort)}, NodePort, behind(address.Is6()))
		}
	}
}

// pool reads who answers, and leaves out the Service itself: a circle.
func (p *planner) pool(port *corev1.ServicePort, protocol corev1.Protocol, v6 bool) pool {
	out := poolOf(p.service.Slices, port, protocol, v6, p.node, &p.bad)
	own := func(b Backend) bool {
		return slices.ContainsFunc(p.virtual, func(v virtual) bool { return v.address == b.Address.Addr() })
	}
	if slices.ContainsFunc(out.all, own) || slices.ContainsFunc(out.local, own) {
		p.bad.add("port %q: an endpoint is the Service's own address", port.Name)
		out.all, out.local = slices.DeleteFunc(out.all, own), slices.DeleteFunc(out.local, own)
	}
	for _, b := range out.local {
		if p.local == nil {
			p.local = map[netip.Addr]struct{}{}
		}
		p.local[b.Address.Addr()] = struct{}{}
	}
	return out
}

// hasFamily says that a node port serves a family: the Service's own.
func (p *planner) hasFamily(v6 bool) bool {
	if len(p.service.Spec.IPFamilies) == 0 {
		return slices.ContainsFunc(p.virtual, func(v virtual) bool { return v.kind == ClusterIP && v.address.Is6() == v6 })
	}
	want := corev1.IPv4Protocol
	if v6 {
		want = corev1.IPv6Protocol
	}
	return slices.Contains(p.service.Spec.IPFamilies, want)
}

func (p *planner) frontend(dial Dial, kind Kind, behind pool) {
	if p.taken[dial] {
		p.bad.add("%s %s: the Service has it already", kind, dial)
		return
	}
	f := Frontend{Dial: dial, Kind: kind, Affinity: p.affinity}
	if kind == ClusterIP {
		f.Inside = behind.choose(value(p.service.Spec.InternalTrafficPolicy) == corev1.ServiceInternalTrafficPolicyLocal)
		f.Outside, f.Masquerade = f.Inside, true
	} else {
		local := p.service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
		f.Outside, f.Inside, f.Masquerade = behind.choose(local), behind.choose(false), !local
	}
	if kind == LoadBalancer {
		f.Sources, f.Limited = p.sources[dial.Address.Is6()], len(p.service.Spec.LoadBalancerSourceRanges) > 0
	}
	p.taken[dial] = true
	p.out = append(p.out, f)
}

func (p *planner) readAffinity() time.Duration {
	if p.service.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	const byDefault, most = corev1.DefaultClientIPServiceAffinitySeconds, 86400
	seconds := byDefault
	if c := p.service.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	if seconds < 1 || seconds > most {
		p.bad.add("session affinity of %d seconds: it is %d", seconds, byDefault)
		seconds = byDefault
	}
	return time.Duration(seconds) * time.Second
}

// readSources sorts the ranges by family. One that cannot be read is nobody:
// who limits a Service does not mean everybody.
func (p *planner) readSources() {
	p.sources = map[bool][]netip.Prefix{}
	for _, text := range p.service.Spec.LoadBalancerSourceRanges {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || prefix.Addr().Is4In6() {
			p.bad.add("source range %q cannot be read", text)
			continue
		}
		v6 := prefix.Addr().Is6()
		p.sources[v6] = append(p.sources[v6], prefix.Masked())
	}
	for v6, of := range p.sources {
		slices.SortFunc(of, netip.Prefix.Compare)
		p.sources[v6] = slices.Compact(of)
	}
}

func (p *planner) health() Health {
	spec := &p.service.Spec
	if spec.HealthCheckNodePort == 0 || spec.Type != corev1.ServiceTypeLoadBalancer ||
		spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return Health{}
	}
	if spec.HealthCheckNodePort < 1 || spec.HealthCheckNodePort > 65535 {
		p.bad.add("health check node port %d is no port", spec.HealthCheckNodePort)
		return Health{}
	}
	return Health{Port: uint16(spec.HealthCheckNodePort), Local: len(p.local)}
}
