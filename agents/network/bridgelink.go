package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"segno/agents/dump"
)

// ensureBridge answers the bridge in the kernel, made if it is not there.
func (b *Bridge) ensureBridge() (netlink.Link, error) {
	link, err := netlink.LinkByName(b.cfg.Name)
	if err == nil {
		if link.Type() != "bridge" {
			return nil, fmt.Errorf("bridge %s: there is a %s of that name", b.cfg.Name, link.Type())
		}
		if owner := ownerOf(link); owner != b.cfg.Cluster {
			return nil, fmt.Errorf("bridge %s: it is cluster %q's", b.cfg.Name, owner)
		}
		if link.Attrs().MTU != b.mtu { // pods that run keep theirs; the kernel tells them of the difference
			if err := netlink.LinkSetMTU(link, b.mtu); err != nil {
				return nil, fmt.Errorf("set the MTU of bridge %s to %d: %w", b.cfg.Name, b.mtu, err)
			}
		}
		// As it is, but for good: one that nobody has set follows the pods' links.
		if err := netlink.LinkSetHardwareAddr(link, link.Attrs().HardwareAddr); err != nil {
			return nil, fmt.Errorf("keep the hardware address of bridge %s: %w", b.cfg.Name, err)
		}
		return link, nil
	}
	if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = b.cfg.Name, b.mtu, hardwareOfBridge(b.cfg.Name)
	made := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(made); err != nil {
		return nil, fmt.Errorf("make bridge %s: %w", b.cfg.Name, err)
	}
	if b.cfg.Cluster != "" {
		if err := netlink.LinkSetAlias(made, aliasPrefix+b.cfg.Cluster); err != nil {
			return nil, errors.Join(fmt.Errorf("say whose bridge %s is: %w", b.cfg.Name, err), netlink.LinkDel(made))
		}
	}
	return netlink.LinkByName(b.cfg.Name)
}

// address readies the bridge for packets of these networks.
func (b *Bridge) address(bridge netlink.Link, cidrs []netip.Prefix) error {
	for _, cidr := range cidrs {
		if err := checkOverlap(bridge, cidr); err != nil {
			return err
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		gateway := netip.Prefix{}
		for _, cidr := range cidrs {
			if familyOf(cidr.Addr()) == family {
				gateway = netip.PrefixFrom(gatewayOf(cidr), cidr.Bits())
			}
		}
		if err := setAddress(bridge, family, gateway); err != nil {
			return fmt.Errorf("give bridge %s the address %s: %w", b.cfg.Name, gateway, err)
		}
	}
	if slices.ContainsFunc(cidrs, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		// Until it is sure of its link-local address, seconds after its first pod
		// came, it would look for no neighbour.
		if err := write("/proc/sys/net/ipv6/conf/"+b.cfg.Name+"/accept_dad", "0"); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bring up bridge %s: %w", b.cfg.Name, err)
	}
	for _, cidr := range cidrs {
		if err := forward(cidr.Addr().Is6()); err != nil {
			b.cfg.Logger.Warn("pods reach only their own node", "error", err)
		}
		if err := showBridged(cidr.Addr().Is6()); err != nil {
			b.cfg.Logger.Warn("pods that come by a Service are seen by those beside them with the node's address", "error", err)
		}
	}
	return nil
}

// removeOrphans deletes links on our bridge whose pod holds no address.
func (b *Bridge) removeOrphans(bridge netlink.Link, held map[string]netip.Addr) error {
	wanted := map[string]bool{}
	for uid := range held {
		wanted[cableName(uid)] = true
	}
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, link := range links {
		at := link.Attrs()
		if at.MasterIndex != bridge.Attrs().Index || !strings.HasPrefix(at.Name, cablePrefix) || wanted[at.Name] {
			continue
		}
		if err := remove(link); err != nil {
			return fmt.Errorf("an orphan: %w", err)
		}
	}
	return nil
}
