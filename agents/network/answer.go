package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/dump"
)

// answerMark, as the protocol of a local route, says that an address is the
// node's by our will (`ip route show table local proto 82`). Routes have one in
// both families; addresses do not. The userspace plane has another.
const answerMark = 82

// Answer makes these addresses the node's own, so that its pods reach it there,
// and takes away those of before. They lead to the loopback interface, as the
// pods' bridge comes and goes. Whoever listens there must do so freely (package
// dns does): to IPv6, a route alone is no address of this machine.
func Answer(addresses ...netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("look for the loopback interface: %w", err)
	}
	ours := &netlink.Route{LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Protocol: answerMark}
	var failed []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		have, err := dump.Whole(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, ours, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE|netlink.RT_FILTER_PROTOCOL)
		})
		if err != nil {
			return fmt.Errorf("list the addresses that this node answers at: %w", err)
		}
		for i := range have {
			if have[i].Dst == nil {
				continue
			}
			is, ok := prefixOf(have[i].Dst)
			if !ok || slices.Contains(addresses, is.Addr()) {
				continue
			}
			if err := netlink.RouteDel(&have[i]); err != nil && !errors.Is(err, unix.ESRCH) {
				failed = append(failed, fmt.Errorf("take the address %s from this node: %w", is.Addr(), err))
			}
		}
	}
	if len(addresses) > 0 {
		if err := netlink.LinkSetUp(lo); err != nil {
			failed = append(failed, fmt.Errorf("bring up the loopback interface: %w", err))
		}
	}
	for _, a := range addresses {
		route := *ours
		route.Dst, route.Scope = ipNet(netip.PrefixFrom(a, a.BitLen())), unix.RT_SCOPE_HOST
		// One that is there is ours, or of an address that this machine has anyway.
		if err := netlink.RouteAdd(&route); err != nil && !errors.Is(err, unix.EEXIST) {
			failed = append(failed, fmt.Errorf("make %s an address of this node: %w", a, err))
		}
	}
	return errors.Join(failed...)
}

// Addresses are those that this machine has in its network namespace, but on
// the interface that is left out.
func Addresses(leftOut string) (out []netip.Addr, err error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("interfaces of this machine: %w", err)
	}
	for _, link := range links {
		all, err := link.Addrs()
		if err != nil || link.Name == leftOut {
			continue // it may have gone meanwhile
		}
		for _, a := range all {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				out = append(out, prefix.Addr().Unmap())
			}
		}
	}
	return out, nil
}
