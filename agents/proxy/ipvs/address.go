package ipvs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// switches are what the kernel must do for the plane. Those of IPVS are for all
// virtual servers, also for others'.
var switches = map[string]string{
	"ipv4/vs/conntrack":                 "1", // or nothing could be masqueraded
	"ipv4/vs/expire_nodest_conn":        "1", // a flow whose backend was deleted meets another
	"ipv4/vs/expire_quiescent_template": "1", // so does a sticky client of one that drains
	"ipv4/conf/all/arp_ignore":          "1", // addresses on the dummy interface are not answered for elsewhere
	"ipv4/conf/all/arp_announce":        "2", // nor told to others
}

// prepare makes the interface, and sets the kernel's switches.
func (p *Plane) prepare() error {
	for path, value := range switches {
		path = "/proc/sys/net/" + path
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set a switch of the kernel: %w", err)
		}
	}
	link, err := p.findLink()
	if err == nil && link == nil {
		link, err = p.makeLink()
	}
	if err != nil {
		return err
	}
	if err := p.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("set the interface %s up: %w", p.cfg.Link, err)
	}
	p.link = link
	return nil
}

// tryLink finds out whether there can be such an interface.
func (p *Plane) tryLink() error {
	link, err := p.findLink()
	if err != nil || link != nil {
		return err
	}
	if link, err = p.makeLink(); err != nil {
		return err
	}
	if err := p.links.LinkDel(link); err != nil {
		return fmt.Errorf("remove the interface %s again: %w", p.cfg.Link, err)
	}
	return nil
}

// findLink answers our interface, nil if there is none.
func (p *Plane) findLink() (netlink.Link, error) {
	link, err := p.links.LinkByName(p.cfg.Link)
	if missing := (netlink.LinkNotFoundError{}); errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the interface %s: %w", p.cfg.Link, err)
	}
	if link.Type() != "dummy" {
		return nil, fmt.Errorf("the interface %s is of type %s, and not a dummy of ours", p.cfg.Link, link.Type())
	}
	return link, nil
}

func (p *Plane) makeLink() (netlink.Link, error) {
	at := netlink.NewLinkAttrs()
	at.Name = p.cfg.Link
	if err := p.links.LinkAdd(&netlink.Dummy{LinkAttrs: at}); err != nil {
		return nil, fmt.Errorf("make the dummy interface %s for the addresses of Services (the kernel needs CONFIG_DUMMY): %w", p.cfg.Link, err)
	}
	return p.findLink()
}

// addresses are those on our interface, and those on all others.
func (p *Plane) addresses() (held, elsewhere map[netip.Addr]struct{}, err error) {
	all, err := p.links.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	held, elsewhere = map[netip.Addr]struct{}{}, map[netip.Addr]struct{}{}
	for i := range all {
		a, ok := netip.AddrFromSlice(all[i].IP)
		switch a = a.Unmap(); {
		case !ok:
		case all[i].LinkIndex != p.link.Attrs().Index:
			elsewhere[a] = struct{}{}
		case !a.IsLinkLocalUnicast(): // which every interface gets by itself
			held[a] = struct{}{}
		}
	}
	return held, elsewhere, nil
}

// hold makes a virtual server's address this node's, unless it is that anyway.
func (p *Plane) hold(a netip.Addr) (held bool, err error) {
	if _, ok := p.elsewhere[a]; ok {
		return false, nil
	}
	if p.uses[a] == 0 {
		if err := p.links.AddrReplace(p.link, linkAddress(a)); err != nil {
			return false, fmt.Errorf("add %s to the interface %s: %w", a, p.cfg.Link, err)
		}
	}
	p.uses[a]++
	return true, nil
}

// release takes an address from the interface when no virtual server has it.
func (p *Plane) release(a netip.Addr) error {
	if p.uses[a]--; p.uses[a] > 0 {
		return nil
	}
	delete(p.uses, a)
	if err := p.links.AddrDel(p.link, linkAddress(a)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("remove %s from the interface %s: %w", a, p.cfg.Link, err)
	}
	return nil
}

// linkAddress is one address, of a network that has no other, and good at once.
func linkAddress(a netip.Addr) *netlink.Addr {
	out := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
	if a.Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
}
