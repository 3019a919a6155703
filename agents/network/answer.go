package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// answerLabel marks addresses that are the node's by our will, in `ip address` too.
const answerLabel = "lo:segno"

// Answer makes these addresses the node's own, so that its pods reach it there,
// and takes away those of before. They are on the loopback interface, as the
// pods' bridge comes and goes.
func Answer(addresses ...netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("look for the loopback interface: %w", err)
	}
	have, err := netlink.AddrList(lo, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of the loopback interface: %w", err)
	}
	var failed []error
	for i := range have {
		is, ok := prefixOf(have[i].IPNet)
		if !ok || have[i].Label != answerLabel || slices.Contains(addresses, is.Addr()) {
			continue
		}
		if err := netlink.AddrDel(lo, &have[i]); err != nil {
			failed = append(failed, fmt.Errorf("take address %s from the loopback interface: %w", is.Addr(), err))
		}
	}
	for _, a := range addresses {
		if err := answer(lo, a); err != nil {
			failed = append(failed, fmt.Errorf("give the loopback interface the address %s: %w", a, err))
		}
	}
	return errors.Join(failed...)
}

func answer(lo netlink.Link, a netip.Addr) error {
	address := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a, a.BitLen())), Scope: unix.RT_SCOPE_HOST}
	if a.Is4() {
		address.Label = answerLabel // IPv6 has none
	} else {
		address.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(lo, address); err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
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
