package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// inside is what a pod calls its link.
const inside = "eth0"

// cable is a pair of virtual links: one end on the bridge, one in a sandbox.
type cable struct {
	name    string // of the end on the bridge
	bridge  int    // index
	mtu     int
	address netip.Prefix
	gateway netip.Addr
	pid     int // a process in the sandbox
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
	if c.good(pod) {
		return nil
	}
	if err := unplug(c.name); err != nil {
		return err
	}
	if err := c.make(space, pod); err != nil {
		return errors.Join(err, unplug(c.name))
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
	has := false
	for _, a := range addresses {
		is, ok := prefixOf(a.IPNet)
		has = has || (ok && is == c.address)
	}
	return has && c.routed(pod, inner)
}

// routed says that the default route is there: it is the last thing made.
func (c cable) routed(pod *netlink.Handle, inner netlink.Link) bool {
	routes, err := pod.RouteList(inner, c.family())
	if err != nil {
		return false
	}
	for _, r := range routes {
		if gateway, ok := netip.AddrFromSlice(r.Gw); ok && gateway.Unmap() == c.gateway {
			return true
		}
	}
	return false
}

func (c cable) family() int {
	if c.address.Addr().Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

func (c cable) make(space netns.NsHandle, pod *netlink.Handle) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.MasterIndex = c.name, c.mtu, c.bridge
	pair := &netlink.Veth{
		LinkAttrs: attributes, PeerName: inside, PeerNamespace: netlink.NsFd(space), PeerHardwareAddr: hardwareOf(c.address.Addr()),
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
	if err := pod.AddrReplace(inner, &netlink.Addr{IPNet: ipNet(c.address)}); err != nil {
		return fmt.Errorf("give %s the address %s: %w", inside, c.address, err)
	}
	if err := pod.LinkSetUp(inner); err != nil {
		return fmt.Errorf("bring up %s: %w", inside, err)
	}
	route := &netlink.Route{LinkIndex: inner.Attrs().Index, Gw: c.gateway.AsSlice(), Family: c.family()}
	if err := pod.RouteReplace(route); err != nil {
		return fmt.Errorf("route by %s: %w", c.gateway, err)
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
	if err := netlink.LinkDel(link); err != nil && !errors.As(err, &netlink.LinkNotFoundError{}) {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}
