package kinds

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
)

// ServiceFlaw is something that a Service holds and should not, or lacks. Decisions
// make none: they come from ranges that changed, or from a log that other rules
// wrote.
type ServiceFlaw struct {
	Service types.NamespacedName
	Reason  string // one CamelCase word
	Message string
}

// The reasons of flaws.
const (
	ClusterIPTwice       = "ClusterIPAlreadyAllocated"
	ClusterIPOutOfRange  = "ClusterIPOutOfRange"
	ClusterIPMissing     = "ClusterIPNotAllocated"
	ClusterIPNotReleased = "ClusterIPNotReleased"
	NodePortTwice        = "PortAlreadyAllocated"
	NodePortOutOfRange   = "PortOutOfRange"
	NodePortMissing      = "PortNotAllocated"
	NodePortNotReleased  = "PortNotReleased"
)

// CheckServices compares what Services hold with the ranges and with each other.
// Of two that hold the same, the younger one is at fault. Flaws come in the order
// of the Services' ages.
func CheckServices(view events.View) ([]ServiceFlaw, error) {
	ranges, _, err := RangesOfServices(view)
	if err != nil {
		return nil, err
	}
	all, err := events.ListAs[*corev1.Service](view, events.Query{Resource: serviceResource})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	slices.SortStableFunc(all, func(a, b *corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	c := checking{
		ranges: ranges, ports: map[int32]types.NamespacedName{},
		ips: map[string]types.NamespacedName{ranges.DNS().String(): DNSService, ranges.API().String(): APIService},
	}
	for _, service := range all {
		c.name = types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
		c.addresses(&service.Spec)
		c.nodePorts(&service.Spec)
	}
	return c.flaws, nil
}

// checking is a check in the making.
type checking struct {
	ranges ServiceRanges
	ips    map[string]types.NamespacedName // who has them
	ports  map[int32]types.NamespacedName
	name   types.NamespacedName // who is looked at
	flaws  []ServiceFlaw
}

func (c *checking) add(reason, format string, args ...any) {
	c.flaws = append(c.flaws, ServiceFlaw{Service: c.name, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func (c *checking) addresses(spec *corev1.ServiceSpec) {
	if headless(spec) {
		return
	}
	ips := spec.ClusterIPs
	if len(ips) == 0 && spec.ClusterIP != "" {
		ips = []string{spec.ClusterIP}
	}
	switch {
	case !takesTraffic(spec) && len(ips) > 0:
		c.add(ClusterIPNotReleased, "it has the cluster IPs %v, and needs none", ips)
	case takesTraffic(spec) && len(ips) > max(1, len(spec.IPFamilies)):
		c.add(ClusterIPNotReleased, "it has the cluster IPs %v for the families %v", ips, spec.IPFamilies)
	case takesTraffic(spec) && len(ips) < max(1, len(spec.IPFamilies)):
		c.add(ClusterIPMissing, "it has the cluster IPs %v for the families %v", ips, spec.IPFamilies)
	}
	for _, ip := range ips {
		if holder, taken := c.ips[ip]; taken && holder != c.name {
			c.add(ClusterIPTwice, "its cluster IP %s is that of the Service %s", ip, holder)
			continue
		}
		c.ips[ip] = c.name
		address, err := netip.ParseAddr(ip)
		if network, found := c.ranges.network(familyOf(address)); err != nil || !found || !poolOf(network).usable(address) {
			c.add(ClusterIPOutOfRange, "its cluster IP %s is not of the service network %v", ip, c.ranges.Networks)
		}
	}
}

func (c *checking) nodePorts(spec *corev1.ServiceSpec) {
	for i := range spec.Ports {
		switch number := spec.Ports[i].NodePort; {
		case number != 0 && !mayHaveNodePort(spec):
			c.add(NodePortNotReleased, "its port %d has the node port %d, and needs none", spec.Ports[i].Port, number)
		case number == 0 && needsNodePort(spec):
			c.add(NodePortMissing, "its port %d has no node port", spec.Ports[i].Port)
		case number != 0:
			c.port(number)
		}
	}
	switch number := spec.HealthCheckNodePort; {
	case number == 0: // a balancer of before they were given out has none
	case !wantsHealthPort(spec):
		c.add(NodePortNotReleased, "it has the health check node port %d, and needs none", number)
	default:
		c.port(number)
	}
}

func (c *checking) port(number int32) {
	if holder, taken := c.ports[number]; taken && holder != c.name {
		c.add(NodePortTwice, "its node port %d is that of the Service %s", number, holder)
		return
	}
	c.ports[number] = c.name
	if !c.ranges.Ports.Contains(number) {
		c.add(NodePortOutOfRange, "its node port %d is not of the range %s", number, c.ranges.Ports)
	}
}
