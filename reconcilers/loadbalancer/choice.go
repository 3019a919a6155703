package loadbalancer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
	"segno/reconcilers"
)

// The reasons of the condition.
const (
	reasonGiven     = "AddressGiven"
	reasonNoPool    = "NoPool"
	reasonBadPool   = "InvalidPool"
	reasonBadWish   = "InvalidAddress"
	reasonOutside   = "AddressOutsidePool"
	reasonTaken     = "AddressTaken"
	reasonNoFamily  = "NoAddressesOfFamily"
	reasonExhausted = "PoolExhausted"
)

// choice is what a Service gets, and what it lacks.
type choice struct {
	service *corev1.Service
	has     []netip.Addr // so far
	gets    []netip.Addr // in the order of its families
	lacks   []lack
	lost    []netip.Addr // that are not of the pool any more
}

// lack is something that a Service wants and does not get.
type lack struct{ reason, message string }

func (c *choice) lack(reason, format string, args ...any) {
	c.lacks = append(c.lacks, lack{reason, fmt.Sprintf(format, args...)})
}

// choose decides for a Service of ours.
func choose(view events.View, service *corev1.Service) (*choice, error) {
	c := &choice{service: service}
	if kinds.Addressed(service) {
		c.has = kinds.LoadBalancerAddresses(service)
	}
	pool, flaw, err := kinds.LoadBalancerPool(view)
	if err != nil {
		return nil, err
	}
	if flaw != nil { // what was given before it was spoilt stays
		c.gets = c.has
		c.lack(reasonBadPool, "%v, in the ConfigMap %s", flaw, kinds.PoolConfig)
		return c, nil
	}
	for _, address := range c.has {
		if !pool.Contains(address) {
			c.lost = append(c.lost, address)
		}
	}
	if pool == nil {
		c.lack(reasonNoPool, "the cluster has no pool of addresses; give it one with segno up --load-balancer-pool, or as %q of the ConfigMap %s", kinds.PoolKey, kinds.PoolConfig)
		return c, nil
	}
	asked, err := netip.ParseAddr(service.Spec.LoadBalancerIP)
	if wish := service.Spec.LoadBalancerIP; wish != "" && (err != nil || asked.Zone() != "") {
		c.lack(reasonBadWish, "spec.loadBalancerIP %q is no IP address", wish)
		asked = netip.Addr{}
	}
	return c, c.fill(&search{view: view, service: service, pool: pool, asked: asked.Unmap()})
}

// fill finds an address for each family that the Service has.
func (c *choice) fill(s *search) error {
	var missing []lack
	for _, v6 := range families(c.service) {
		has := c.kept(s.pool, v6)
		address, short, err := s.find(v6, has)
		if err != nil {
			return err
		}
		if short != nil {
			missing = append(missing, *short)
		}
		if address.IsValid() {
			c.gets = append(c.gets, address)
		}
	}
	if s.asked.IsValid() && !slices.Contains(families(c.service), s.asked.Is6()) {
		c.lack(reasonBadWish, "spec.loadBalancerIP %s is not of a family that the Service has", s.asked)
	}
	for _, short := range missing {
		if short.reason == reasonNoFamily && len(c.gets) > 0 && prefersOnly(c.service) {
			continue // it would like a second family, and need not have it
		}
		c.lacks = append(c.lacks, short)
	}
	return nil
}

func prefersOnly(s *corev1.Service) bool {
	return s.Spec.IPFamilyPolicy != nil && *s.Spec.IPFamilyPolicy == corev1.IPFamilyPolicyPreferDualStack
}

// kept is the address of a family that the Service has and can keep.
func (c *choice) kept(pool kinds.AddressPool, v6 bool) netip.Addr {
	i := slices.IndexFunc(c.has, func(a netip.Addr) bool { return a.Is6() == v6 && pool.Contains(a) })
	if i < 0 {
		return netip.Addr{}
	}
	return c.has[i]
}

// families of a Service, the first one first; true is IPv6.
func families(s *corev1.Service) (v6 []bool) {
	for _, family := range s.Spec.IPFamilies {
		if is := family == corev1.IPv6Protocol; !slices.Contains(v6, is) {
			v6 = append(v6, is)
		}
	}
	if len(v6) == 0 {
		return []bool{false}
	}
	return v6
}

// search looks for addresses for a Service.
type search struct {
	view    events.View
	service *corev1.Service
	pool    kinds.AddressPool
	asked   netip.Addr            // by its author; invalid is none
	taken   map[netip.Addr]string // by whom; nil before it is needed
}

// find answers an address of the family: the one that is asked for, else the one
// that the Service has, else a free one.
func (s *search) find(v6 bool, has netip.Addr) (netip.Addr, *lack, error) {
	asks := s.asked.IsValid() && s.asked.Is6() == v6
	if asks && s.asked == has || !asks && has.IsValid() {
		return has, nil, nil
	}
	if err := s.look(); err != nil {
		return has, nil, err
	}
	if asks {
		if short := s.refuse(); short != nil {
			return has, short, nil
		}
		return s.asked, nil, nil
	}
	free, ok := s.pool.Free(v6, func(a netip.Addr) bool { return s.taken[a] != "" })
	switch {
	case ok:
		return free, nil, nil
	case s.pool.Has(v6):
		return free, &lack{reasonExhausted, fmt.Sprintf("all %s addresses of the pool are taken; more can be added to the ConfigMap %s", familyName(v6), kinds.PoolConfig)}, nil
	default:
		return free, &lack{reasonNoFamily, fmt.Sprintf("the pool has no %s addresses", familyName(v6))}, nil
	}
}

// refuse says why the address that is asked for cannot be had.
func (s *search) refuse() *lack {
	if !s.pool.Contains(s.asked) {
		return &lack{reasonOutside, fmt.Sprintf("spec.loadBalancerIP %s is not of the pool", s.asked)}
	}
	if by := s.taken[s.asked]; by != "" {
		return &lack{reasonTaken, fmt.Sprintf("spec.loadBalancerIP %s is taken by the %s", s.asked, by)}
	}
	return nil
}

// look finds out which addresses are taken: by other Services, by nodes,
// and by their gateways.
func (s *search) look() error {
	if s.taken != nil {
		return nil
	}
	s.taken = map[netip.Addr]string{}
	services, err := events.ListAs[*corev1.Service](s.view, events.Query{Resource: reconcilers.Services})
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	for _, other := range services {
		if other.UID == s.service.UID {
			continue
		}
		for _, address := range held(other) {
			s.taken[address] = fmt.Sprintf("Service %s/%s", other.Namespace, other.Name)
		}
	}
	nodes, err := events.ListAs[*corev1.Node](s.view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes {
		for _, address := range addressesOf(node) {
			s.taken[address] = "node " + node.Name
		}
	}
	for _, node := range nodes {
		for _, address := range gatewaysOf(node) {
			if s.taken[address] == "" {
				s.taken[address] = "gateway of node " + node.Name
			}
		}
	}
	return nil
}

// addressesOf are a node's own.
func addressesOf(node *corev1.Node) (out []netip.Addr) {
	for _, a := range node.Status.Addresses {
		if address, err := netip.ParseAddr(a.Address); err == nil {
			out = append(out, address.Unmap())
		}
	}
	return out
}

// gatewaysOf are those of the machines by which a node reaches other networks.
func gatewaysOf(node *corev1.Node) (out []netip.Addr) {
	for text := range strings.SplitSeq(node.Annotations[proto.NodeGateways], ",") {
		if address, err := netip.ParseAddr(text); err == nil {
			out = append(out, address.Unmap())
		}
	}
	return out
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}
