package network

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"

	"segno/agents/dump"
)

// Backend is how packets get from node to node.
type Backend string

// The backends. VXLAN wraps packets and works wherever nodes reach each other;
// HostGW routes them as they are, and needs nodes on one segment.
const (
	VXLAN  Backend = "vxlan"
	HostGW Backend = "host-gw"
)

// ParseBackend reads a backend; nothing is VXLAN.
func ParseBackend(text string) (Backend, error) {
	switch b := Backend(text); b {
	case "":
		return VXLAN, nil
	case VXLAN, HostGW:
		return b, nil
	default:
		return b, fmt.Errorf("backend %q: must be %s or %s", text, VXLAN, HostGW)
	}
}

// Link says how packets of pods get to other nodes: both ends need the same.
func (b *Bridge) Link() string {
	if b.cfg.Backend == VXLAN {
		return fmt.Sprintf("%s port %d", VXLAN, b.cfg.Port)
	}
	return string(b.cfg.Backend)
}

// DefaultPort is VXLAN's on Linux.
const DefaultPort = 8472

// overhead is what VXLAN adds to a packet: outer headers, UDP, VXLAN, and the
// inner Ethernet header.
func overhead(over netip.Addr) int {
	if over.Is6() {
		return 70
	}
	return 50
}

// leastMTU is what IPv6 needs.
const leastMTU = 1280

// PodMTU is what pods may send so that it fits between nodes; fits is false when
// even the least does not.
func PodMTU(backend Backend, address netip.Addr, link int) (mtu int, fits bool) {
	if backend == VXLAN && usable(address) {
		link -= overhead(address)
	}
	return max(link, leastMTU), link >= leastMTU
}

// Underlay is the link that has an address of this machine; false when none has.
func Underlay(address netip.Addr) (link netlink.Link, found bool, err error) {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, false, fmt.Errorf("list interfaces: %w", err)
	}
	for _, link := range links {
		addresses, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, familyOf(address)) })
		if err != nil {
			return nil, false, fmt.Errorf("addresses of interface %s: %w", link.Attrs().Name, err)
		}
		for _, a := range addresses {
			if is, ok := prefixOf(a.IPNet); ok && is.Addr() == address {
				return link, true, nil
			}
		}
	}
	return nil, false, nil
}

// defaultMTU is that of most links.
const defaultMTU = 1500

// workOutMTU asks the link of the node's address.
func (b *Bridge) workOutMTU() (int, error) {
	if b.cfg.MTU > 0 {
		return b.cfg.MTU, nil
	}
	link := defaultMTU
	if usable(b.cfg.Address) {
		under, found, err := Underlay(b.cfg.Address)
		if err != nil {
			return 0, err
		}
		if found {
			link = under.Attrs().MTU
		}
	}
	mtu, _ := PodMTU(b.cfg.Backend, b.cfg.Address, link)
	return mtu, nil
}

func familyOf(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}
