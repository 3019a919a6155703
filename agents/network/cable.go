package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inside is what a pod calls its link.
const inside = "eth0"

// cable is a pair of virtual links: one end on the bridge, one in a sandbox.
type cable struct {
	name   string // of the end on the bridge
	bridge int    // index
	mtu    int
	ends   []end // in the sandbox, one of a family
	pid    int   // a process in the sandbox
}

// end is what the pod has in one network.
type end struct {
	address netip.Prefix
	gateway netip.Addr
}

// plug makes the cable, unless a good one is there. A half-made one is made anew.
func (c cable) plug() error {
	space, err := netns.GetFromPid(c.pid)
	if err != nil {
		return fmt.Errorf("network namespace of process %d: %w", c.pid, err)
	}
	defer func() { _ = space.Close() }()
	pod, err := netlink.NewHandleAt(space)
	if err != nil {
		return fmt.Errorf("enter the network namespace of process %d: %w", c.pid, err)
	}
	defer pod.Close()
	if !c.good(pod) {
		if err := unplug(c.name); err != nil {
			return err
		}
		if err := c.make(space, pod); err != nil {
			return errors.Join(err, unplug(c.name))
		}
	}
	return c.turn()
}

// turn lets the bridge send a packet back by the link that it came by: a pod
// that asks for a Service may be the one that answers.
func (c cable) turn() error {
	outer, err := netlink.LinkByName(c.name)
	if err == nil {
		err = netlink.LinkSetHairpin(outer, true)
	}
	if err != nil {
		return fmt.Errorf("set link %s to hairpin mode: %w", c.name, err)
	}
	return nil
}

// good says that nothing is missing at either end.
func (c cable) good(pod *netlink.Handle) bool {
	outer, err := netlink.LinkByName(c.name)
	if err != nil || outer.Attrs().MasterIndex != c.bridge || outer.Attrs().Flags&net.FlagUp == 0 {
		return false
	}
	inner, err := pod.LinkByName(inside)
	if err != nil || inner.Attrs().Flags&net.FlagUp == 0 || inner.Attrs().ParentIndex != outer.Attrs().Index {
		return false
	}
	addresses, err := pod.AddrList(inner, netlink.FAMILY_ALL)
	if err != nil {
		return false
	}
	for _, e := range c.ends {
		has := slices.ContainsFunc(addresses, func(a netlink.Addr) bool {
			is, ok := prefixOf(a.IPNet)
			return ok && is == e.address
		})
		if !has || !e.routed(pod, inner) {
			return false
		}
	}
	return true
}

// routed says that the default route is there: it is the last thing made.
func (e end) routed(pod *netlink.Handle, inner netlink.Link) bool {
	routes, err := pod.RouteList(inner, familyOf(e.gateway))
	if err != nil {
		return false
	}
	for _, r := range routes {
		if gateway, ok := netip.AddrFromSlice(r.Gw); ok && gateway.Unmap() == e.gateway {
			return true
		}
	}
	return false
}

func (c cable) make(space netns.NsHandle, pod *netlink.Handle) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.MasterIndex = c.name, c.mtu, c.bridge
	pair := &netlink.Veth{
		LinkAttrs: attributes, PeerName: inside, PeerNamespace: netlink.NsFd(space), PeerHardwareAddr: hardwareOf(c.ends[0].address.Addr()),
	}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make the pair of links %s: %w", c.name, err)
	}
	outer, err := netlink.LinkByName(c.name)
	if err != nil {
		return fmt.Errorf("look for link %s: %w", c.name, err)
	}
	if err := netlink.LinkSetUp(outer); err != nil {
		return fmt.Errorf("bring up link %s: %w", c.name, err)
	}
	if lo, err := pod.LinkByName("lo"); err != nil {
		return fmt.Errorf("look for the loopback link: %w", err)
	} else if err := pod.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring up the loopback link: %w", err)
	}
	inner, err := pod.LinkByName(inside)
	if err != nil {
		return fmt.Errorf("look for %s: %w", inside, err)
	}
	if slices.ContainsFunc(c.ends, func(e end) bool { return e.gateway.Is6() }) {
		if err := allowIPv6(space); err != nil {
			return err
		}
	}
	for _, e := range c.ends {
		if err := pod.AddrReplace(inner, addressOf(e.address)); err != nil {
			return fmt.Errorf("give %s the address %s: %w", inside, e.address, err)
		}
	}
	if err := pod.LinkSetUp(inner); err != nil {
		return fmt.Errorf("bring up %s: %w", inside, err)
	}
	for _, e := range c.ends {
		route := &netlink.Route{LinkIndex: inner.Attrs().Index, Gw: e.gateway.AsSlice(), Family: familyOf(e.gateway)}
		if err := pod.RouteReplace(route); err != nil {
			return fmt.Errorf("route by %s: %w", e.gateway, err)
		}
	}
	return nil
}

// hardwareOf derives the link's address from the pod's: when an address comes
// round again, no neighbour remembers it wrongly.
func hardwareOf(address netip.Addr) net.HardwareAddr {
	raw := address.AsSlice()
	return append(net.HardwareAddr{0x0a, 0x58}, raw[len(raw)-4:]...)
}

// unplug removes a cable by its outer end, and so both; gone is success.
func unplug(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for link %s: %w", name, err)
	}
	return remove(link)
}

// remove deletes a link that may be going by itself: its other end's namespace
// ends with its pod.
func remove(link netlink.Link) error {
	err := netlink.LinkDel(link)
	if err == nil || errors.Is(err, unix.ENODEV) || errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	return fmt.Errorf("remove link %s: %w", link.Attrs().Name, err)
}
