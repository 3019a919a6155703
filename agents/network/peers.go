package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// Peer is another node of the cluster, and where its pods are.
type Peer struct {
	Name     string
	Address  netip.Addr
	PodCIDRs []netip.Prefix
}

// Equal says that nothing differs.
func (p Peer) Equal(o Peer) bool {
	return p.Name == o.Name && p.Address == o.Address && slices.Equal(p.PodCIDRs, o.PodCIDRs)
}

// hop leads to a range of pods on another machine.
type hop struct {
	peer    string
	address netip.Addr // of the node
	cidr    netip.Prefix
}

// span is a range that is in use, and by whom.
type span struct {
	prefix netip.Prefix
	holder string
}

// plan says by which nodes pods are reached, and which ranges have pods. used is
// what this machine needs for itself. A peer that makes no sense is left out and
// named, and keeps no other from being reached.
func plan(own netip.Addr, used []span, peers []Peer) (hops []hop, inside []netip.Prefix, flaws []error) {
	peers = slices.Clone(peers)
	slices.SortFunc(peers, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	taken := spans{exact: map[netip.Prefix]string{}, above: map[netip.Prefix]string{}}
	for _, s := range used {
		taken.add(s.prefix, s.holder)
	}
	for _, p := range peers {
		if a := p.Address.Unmap(); usable(a) {
			taken.add(netip.PrefixFrom(a, a.BitLen()), "the address of node "+p.Name)
		}
	}
	for _, p := range peers {
		address := p.Address.Unmap()
		here := address == own || address.IsLoopback() && own.IsLoopback()
		if !usable(address) && !here {
			flaws = append(flaws, fmt.Errorf("node %s: %q is no address that its pods could be reached by; start it with --node-ip", p.Name, p.Address))
			continue
		}
		for _, cidr := range p.PodCIDRs {
			cidr = netip.PrefixFrom(cidr.Addr().Unmap(), cidr.Bits()).Masked()
			if !cidr.IsValid() {
				flaws = append(flaws, fmt.Errorf("node %s: a pod CIDR of it is none", p.Name))
				continue
			}
			if holder, overlaps := taken.find(cidr); overlaps {
				flaws = append(flaws, fmt.Errorf("node %s: its pod CIDR %s overlaps %s", p.Name, cidr, holder))
				continue
			}
			taken.add(cidr, "the pod CIDR of node "+p.Name)
			inside = append(inside, cidr)
			if !here { // else it is on this machine, which has a bridge for it
				hops = append(hops, hop{peer: p.Name, address: address, cidr: cidr})
			}
		}
	}
	return hops, inside, flaws
}

func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// spans finds overlaps at a cost that does not grow with their number.
type spans struct {
	exact map[netip.Prefix]string
	above map[netip.Prefix]string // of every range that has one of them in it
}

func (s spans) add(p netip.Prefix, holder string) {
	p = p.Masked()
	s.exact[p] = holder
	for bits := p.Bits(); bits >= 0; bits-- {
		s.above[netip.PrefixFrom(p.Addr(), bits).Masked()] = holder
	}
}

func (s spans) find(p netip.Prefix) (holder string, overlaps bool) {
	if holder, overlaps = s.above[p]; overlaps {
		return holder, true
	}
	for bits := p.Bits(); bits >= 0; bits-- {
		if holder, overlaps = s.exact[netip.PrefixFrom(p.Addr(), bits).Masked()]; overlaps {
			return holder, true
		}
	}
	return "", false
}
