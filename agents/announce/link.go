package announce

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/ability"
	"segno/agents/dump"
)

// link is an interface of this machine with neighbours.
type link struct {
	index    int
	name     string
	hardware net.HardwareAddr
	networks []netip.Prefix // of its addresses
	local    netip.Addr     // of IPv6, from which neighbours are spoken to; invalid is none
	node     bool           // it has the node's own address
}

// linksOf lists the interfaces; node is the node's own address.
func linksOf(node netip.Addr) (out []link, err error) {
	all, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range all {
		at := l.Attrs()
		if at.Flags&net.FlagUp == 0 || at.Flags&net.FlagLoopback != 0 || at.RawFlags&unix.IFF_NOARP != 0 || !unicast(at.HardwareAddr) {
			continue
		}
		one := link{index: at.Index, name: at.Name, hardware: at.HardwareAddr}
		addresses, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(l, netlink.FAMILY_ALL) })
		if err != nil {
			return nil, fmt.Errorf("addresses of interface %s: %w", at.Name, err)
		}
		for i := range addresses {
			if address, ok := netip.AddrFromSlice(addresses[i].IP); ok {
				bits, _ := addresses[i].Mask.Size()
				one.add(netip.PrefixFrom(address.Unmap(), bits), node)
			}
		}
		if len(one.networks) > 0 || one.node {
			out = append(out, one)
		}
	}
	return out, nil
}

func (l *link) add(p netip.Prefix, node netip.Addr) {
	address := p.Addr()
	l.node = l.node || address == node
	if address.Is6() && (address.IsLinkLocalUnicast() || !l.local.IsValid()) {
		l.local = address
	}
	if !address.IsLinkLocalUnicast() && !p.IsSingleIP() {
		l.networks = append(l.networks, p.Masked())
	}
}

// homes are the links on which an address is announced: those whose network has
// it, else that of the node's own address.
func homes(links []link, address netip.Addr) (out []link) {
	for _, l := range links {
		if slices.ContainsFunc(l.networks, func(n netip.Prefix) bool { return n.Contains(address) }) {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		out = slices.DeleteFunc(slices.Clone(links), func(l link) bool { return !l.node })
	}
	return out
}

// Networks are those on which this process can announce addresses, but for the
// given ones and what overlaps them, in order. It is none without CAP_NET_RAW.
func Networks(without ...netip.Prefix) ([]netip.Prefix, error) {
	able, err := ability.Has(unix.CAP_NET_RAW)
	if err != nil || !able {
		return nil, err
	}
	links, err := linksOf(netip.Addr{})
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, l := range links {
		for _, n := range l.networks {
			if !slices.ContainsFunc(without, n.Overlaps) {
				out = append(out, n)
			}
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), nil
}

// Hardware are the hardware addresses of the interfaces on which this machine has
// neighbours, in order.
func Hardware() ([]net.HardwareAddr, error) {
	links, err := linksOf(netip.Addr{})
	if err != nil {
		return nil, err
	}
	out := make([]net.HardwareAddr, len(links))
	for i, l := range links {
		out[i] = l.hardware
	}
	slices.SortFunc(out, func(a, b net.HardwareAddr) int { return bytes.Compare(a, b) })
	return slices.CompactFunc(out, func(a, b net.HardwareAddr) bool { return bytes.Equal(a, b) }), nil
}

// quieten keeps the kernel from answering by itself where it takes an address of
// a Service for one of its own, as the userspace plane has it do: on every node.
func quieten(l link, address netip.Addr) error {
	if !address.Is4() {
		return nil // of IPv6, it only answers for addresses of the interface
	}
	routes, err := netlink.RouteGet(address.AsSlice())
	if err != nil || !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Type == unix.RTN_LOCAL }) {
		return nil // it does not know the way, and need not
	}
	var failed []error
	for name, value := range map[string]string{"arp_ignore": "1", "arp_announce": "2"} {
		path := "/proc/sys/net/ipv4/conf/" + l.name + "/" + name
		if is, err := os.ReadFile(path); err == nil && len(is) > 0 && is[0] != '0' {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			failed = append(failed, fmt.Errorf("keep the kernel from answering for load balancer addresses on %s: %w", l.name, err))
		}
	}
	return errors.Join(failed...)
}
