package network

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/dump"
)

// checkOverlap finds what would make the kernel send pods' packets elsewhere:
// another cluster on the machine, or a network that was there before. Routes
// come and go; only those of the interfaces' own addresses count here.
func checkOverlap(bridge netlink.Link, cidr netip.Prefix) error {
	holders, err := Holders("")
	if err != nil {
		return err
	}
	for _, h := range holders {
		own := h.Interface == bridge.Attrs().Name || h.Interface == tunnelName(ownerOf(bridge))
		if !own && !h.Route && h.In(cidr) {
			return fmt.Errorf("pod CIDR %s: this machine has %s", cidr, h)
		}
	}
	return nil
}

// setAddress makes the address the only one of its family on the link; none is
// an invalid one.
func setAddress(link netlink.Link, family int, address netip.Prefix) error {
	old, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, family) })
	if err != nil {
		return err
	}
	found := false
	for i := range old {
		is, ok := prefixOf(old[i].IPNet)
		switch {
		case ok && is == address:
			found = true
		case ok && !is.Addr().IsLinkLocalUnicast():
			if err := netlink.AddrDel(link, &old[i]); err != nil {
				return err
			}
		}
	}
	if found || !address.IsValid() {
		return nil
	}
	return netlink.AddrAdd(link, addressOf(address))
}

// addressOf is good at once: nobody else gives out addresses of the range.
func addressOf(address netip.Prefix) *netlink.Addr {
	out := &netlink.Addr{IPNet: ipNet(address)}
	if address.Addr().Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), true
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
