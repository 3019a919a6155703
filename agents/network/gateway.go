package network

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"segno/agents/dump"
)

// Gateways are those by which this machine reaches other networks, but for the
// ways to other nodes' pods that this package made.
func Gateways() ([]netip.Addr, error) {
	all, err := dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var out []netip.Addr
	note := func(gateway net.IP) {
		if a, ok := netip.AddrFromSlice(gateway); ok {
			out = append(out, a.Unmap())
		}
	}
	for i := range all {
		if all[i].Protocol == routeMark {
			continue
		}
		note(all[i].Gw)
		for _, way := range all[i].MultiPath {
			note(way.Gw)
		}
	}
	return out, nil
}
