package kinds

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

// What Services get is decided by the log alone: annotations of the namespace
// kube-system say from where. The network stays what it was when it was first
// written there; without annotations there are the usual ranges.
const (
	ServiceNetworkAnnotation = "segno/service-cidr"
	NodePortsAnnotation      = "segno/service-node-port-range"
)

// The usual ranges.
var (
	DefaultServiceNetwork = netip.MustParsePrefix("10.96.0.0/16")
	DefaultNodePorts      = PortRange{First: 30000, Last: 32767}
)

// DNSService is by which name tools find the cluster's DNS.
var DNSService = types.NamespacedName{Namespace: metav1.NamespaceSystem, Name: "kube-dns"}

// dnsPlace is where in the first network the cluster's DNS is, by custom.
const dnsPlace = 10

// ServiceRanges are where addresses and node ports of Services come from.
type ServiceRanges struct {
	Networks []netip.Prefix // one, or one of each family; the first is that of Services that name none
	Ports    PortRange
}

// PortRange is from First to Last, both included.
type PortRange struct{ First, Last int32 }

// String is the range as it is asked for.
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// Contains tells whether a port is in the range.
func (r PortRange) Contains(port int32) bool { return port >= r.First && port <= r.Last }

// DNS is where every node answers for the cluster's names. No Service but
// DNSService has it, even when all others are taken.
func (r ServiceRanges) DNS() netip.Addr { return poolOf(r.Networks[0]).at(dnsPlace - 1) }

// network is that of a family.
func (r ServiceRanges) network(family corev1.IPFamily) (netip.Prefix, bool) {
	for _, network := range r.Networks {
		if familyOf(network.Addr()) == family {
			return network, true
		}
	}
	return netip.Prefix{}, false
}

func familyOf(address netip.Addr) corev1.IPFamily {
	if address.Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

func otherFamily(of corev1.IPFamily) corev1.IPFamily {
	if of == corev1.IPv4Protocol {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// RangesOfServices are the cluster's. set is false while nobody has written down
// which network it is.
func RangesOfServices(view events.View) (ranges ServiceRanges, set bool, err error) {
	ranges = ServiceRanges{Networks: []netip.Prefix{DefaultServiceNetwork}, Ports: DefaultNodePorts}
	system, found, err := events.GetAs[*corev1.Namespace](view, proto.Resource{Name: "namespaces"}.Key("", metav1.NamespaceSystem))
	if err != nil {
		return ranges, false, fmt.Errorf("read the ranges of Services: %w", err)
	}
	if !found {
		return ranges, false, nil
	}
	if networks, err := ParseServiceNetworks(system.Annotations[ServiceNetworkAnnotation]); err == nil {
		ranges.Networks, set = networks, true
	}
	if ports, err := ParsePortRange(system.Annotations[NodePortsAnnotation]); err == nil {
		ranges.Ports = ports
	}
	return ranges, set, nil // what cannot be read was written before it was checked, and is as good as nothing
}

// ParseServiceNetworks reads the networks that Services can get addresses of: one,
// or one of each family with a comma between them.
func ParseServiceNetworks(text string) ([]netip.Prefix, error) {
	return parseNetworks(text, "service networks", parseServiceNetwork)
}

func parseServiceNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, fmt.Errorf("service network %q: want a network such as %s: %w", text, DefaultServiceNetwork, err)
	}
	widest, narrowest := 8, 28
	if network.Addr().Is6() {
		widest, narrowest = 16, 124
	}
	switch a := network.Addr(); {
	case a.Is4In6() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsLoopback() || a.Is4() && a.As4()[0] == 0:
		return network, fmt.Errorf("service network %s: Services cannot have addresses of it", network)
	case network != network.Masked():
		return network, fmt.Errorf("service network %s: the network itself is %s", network, network.Masked())
	case network.Bits() > narrowest:
		return network, fmt.Errorf("service network %s: too small, it must be a /%d or larger", network, narrowest)
	case network.Bits() < widest:
		return network, fmt.Errorf("service network %s: too large, it must be a /%d or smaller", network, widest)
	default:
		return network, nil
	}
}

// parseNetworks reads one network, or one of each family.
func parseNetworks(text, what string, parse func(string) (netip.Prefix, error)) (out []netip.Prefix, err error) {
	for one := range strings.SplitSeq(text, ",") {
		network, err := parse(one)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.Addr().Is4() == network.Addr().Is4() {
				return nil, fmt.Errorf("%s %s and %s: two of one family; want one, or one of IPv4 and one of IPv6", what, other, network)
			}
		}
		out = append(out, network)
	}
	return out, nil
}

// ParsePortRange reads a range of node ports, such as 30000-32767.
func ParsePortRange(text string) (r PortRange, err error) {
	first, last, both := strings.Cut(text, "-")
	if !both {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	if err == nil {
		var to uint64
		to, err = strconv.ParseUint(last, 10, 16)
		r = PortRange{First: int32(from), Last: int32(to)}
	}
	switch {
	case err != nil || r.First == 0:
		return PortRange{}, fmt.Errorf("node ports %q: want a range such as %s, within 1-65535", text, DefaultNodePorts)
	case r.First > r.Last:
		return PortRange{}, fmt.Errorf("node ports %q: the first is above the last; want a range such as %s", text, DefaultNodePorts)
	default:
		return r, nil
	}
}

// validateServiceRanges checks what the namespace kube-system says of them.
func validateServiceRanges(namespace *corev1.Namespace) (errs field.ErrorList) {
	if namespace.Name != metav1.NamespaceSystem {
		return nil
	}
	path := field.NewPath("metadata", "annotations")
	check := func(name string, wrong func(string) error) {
		if text, found := namespace.Annotations[name]; found {
			if err := wrong(text); err != nil {
				errs = append(errs, field.Invalid(path.Key(name), text, err.Error()))
			}
		}
	}
	check(ServiceNetworkAnnotation, func(text string) error { _, err := ParseServiceNetworks(text); return err })
	check(NodePortsAnnotation, func(text string) error { _, err := ParsePortRange(text); return err })
	return errs
}

// keepServiceRanges keeps the ranges that a change of the namespace leaves out.
func keepServiceRanges(namespace, old *corev1.Namespace) {
	if namespace.Name != metav1.NamespaceSystem {
		return
	}
	for _, name := range []string{ServiceNetworkAnnotation, NodePortsAnnotation} {
		text, before := old.Annotations[name]
		if _, now := namespace.Annotations[name]; before && !now {
			metav1.SetMetaDataAnnotation(&namespace.ObjectMeta, name, text)
		}
	}
}

// fixedServiceNetwork refuses another network: Services have addresses of the one
// that there is.
func fixedServiceNetwork(namespace, old *corev1.Namespace) field.ErrorList {
	was, now := old.Annotations[ServiceNetworkAnnotation], namespace.Annotations[ServiceNetworkAnnotation]
	return only(namespace.Name == metav1.NamespaceSystem && was != "" && was != now,
		field.Invalid(field.NewPath("metadata", "annotations").Key(ServiceNetworkAnnotation), now,
			"may not change once set: it is "+was+", chosen at the cluster's first start"))
}

// A pool is the addresses of a network that are given out: all but the network's
// own and, of IPv4, the broadcast address.
type pool struct {
	network netip.Prefix
	band
}

// mostAddresses is where the addresses of a network are counted no further. A
// person may choose any of them.
const mostAddresses = 1 << 24

func poolOf(network netip.Prefix) pool {
	size := uint32(mostAddresses)
	if room := network.Addr().BitLen() - network.Bits(); room <= 24 {
		size = 1 << room
	}
	size-- // the network's own
	if network.Addr().Is4() {
		size-- // the broadcast address
	}
	return pool{network: network, band: band{size: size, reserved: reservedOf(size, 16, 256)}}
}

// portsOf is the band of the node ports.
func portsOf(r PortRange) band {
	size := uint32(r.Last - r.First + 1)
	return band{size: size, reserved: reservedOf(size, 32, 128)}
}

// reservedOf is how many numbers are kept for people who choose one themselves: a
// share of the range, within bounds; a small one has none to spare.
func reservedOf(size, share, most uint32) uint32 {
	const least = 16
	if size <= least {
		return 0
	}
	return min(max(least, size/share), most)
}

// at is the n-th usable address.
func (p pool) at(n uint32) netip.Addr {
	bytes := p.network.Addr().AsSlice()
	tail := bytes[len(bytes)-4:]
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)+n+1)
	address, _ := netip.AddrFromSlice(bytes)
	return address
}

// usable tells whether a Service can have the address.
func (p pool) usable(address netip.Addr) bool {
	if !p.network.Contains(address) || address == p.network.Addr() {
		return false
	}
	return address.Is6() || p.network.Contains(address.Next())
}
