package userspace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/dump"
)

// routeMark is the protocol number that our routes have: who made them.
const routeMark = 83

// localRoute is a local route of ours: it makes an address this node's own.
func localRoute(a netip.Addr) (*netlink.Route, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("look for the loopback link: %w", err)
	}
	return &netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())},
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Protocol: routeMark, Scope: unix.RT_SCOPE_HOST,
	}, nil
}

// makeLocal makes an address this node's, and says whether it had to. It is no
// error that the address is there anyway, by a route that is left as it is: a
// Service may have an address of the node's own.
func makeLocal(a netip.Addr) (made bool, err error) {
	route, err := localRoute(a)
	if err != nil {
		return false, err
	}
	switch err = netlink.RouteAdd(route); {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EEXIST):
		return false, nil
	case !errors.Is(err, os.ErrPermission):
		return false, fmt.Errorf("make %s an address of this node: %w", a, err)
	case isLocal(a):
		return false, nil
	}
	return false, fmt.Errorf("listen on %s: it is not an address of this node, and to make it one needs CAP_NET_ADMIN; node ports above 1024 work without", a)
}

// isLocal says that the address can be listened on.
func isLocal(a netip.Addr) bool {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// dropLocal takes an address back.
func dropLocal(a netip.Addr) error {
	route, err := localRoute(a)
	if err != nil {
		return err
	}
	if err := netlink.RouteDel(route); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("take %s from this node: %w", a, err)
	}
	return nil
}

// locals are the addresses that carry our mark.
func locals() (map[netip.Addr]struct{}, error) {
	out := map[netip.Addr]struct{}{}
	filter := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Protocol: routeMark, Type: unix.RTN_LOCAL}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := dump.Whole(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TYPE)
		})
		if err != nil {
			return nil, fmt.Errorf("list local routes: %w", err)
		}
		for _, r := range routes {
			if r.Dst == nil {
				continue
			}
			if a, ok := netip.AddrFromSlice(r.Dst.IP); ok {
				out[a.Unmap()] = struct{}{}
			}
		}
	}
	return out, nil
}
