package network

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/dump"
)

// tunnel is the VXLAN link of a cluster on this machine. It learns nothing: who
// is behind it is written down. Its hardware address, and so everybody's,
// follows from the node's address, so that nodes need not tell it.
type tunnel struct {
	cluster string
	address netip.Addr // of this node
	port    int
	mtu     int
	// sources are of the pods' range, one of a family: to whom the kernel
	// masquerades what leaves by the tunnel. Without one it takes whatever address
	// of the machine it finds first, to which other nodes need not know a way.
	sources []netip.Addr
}

const tunnelPrefix = "sgx-"

func tunnelName(cluster string) string { return tunnelPrefix + digest(cluster, bridgeDigits) }

// networkID keeps clusters on one wire apart.
func networkID(cluster string) int {
	sum := sha256.Sum256([]byte("vni of " + cluster))
	return 1 + int(binary.BigEndian.Uint32(sum[:])%(1<<24-1))
}

// hardwareOfNode is a locally administered address.
func hardwareOfNode(address netip.Addr) net.HardwareAddr {
	sum := sha256.Sum256(address.AsSlice())
	return append(net.HardwareAddr{0x0e}, sum[:5]...)
}

// ensure makes the tunnel, or takes over the one that is there. One of another
// kind is made anew.
func (t tunnel) ensure() (netlink.Link, error) {
	name := tunnelName(t.cluster)
	link, err := netlink.LinkByName(name)
	switch {
	case err == nil && ownerOf(link) != t.cluster:
		return nil, fmt.Errorf("tunnel %s: it is cluster %q's", name, ownerOf(link))
	case err == nil && t.good(link):
		return link, t.raise(link)
	case err == nil:
		if err := remove(link); err != nil {
			return nil, fmt.Errorf("a tunnel of other settings: %w", err)
		}
	case !errors.As(err, &netlink.LinkNotFoundError{}):
		return nil, fmt.Errorf("look for tunnel %s: %w", name, err)
	}
	return t.make(name)
}

func (t tunnel) good(link netlink.Link) bool {
	is, ok := link.(*netlink.Vxlan)
	if !ok {
		return false
	}
	source, _ := netip.AddrFromSlice(is.SrcAddr)
	return is.VxlanId == networkID(t.cluster) && is.Port == t.port && !is.Learning && source.Unmap() == t.address &&
		is.HardwareAddr.String() == hardwareOfNode(t.address).String()
}

func (t tunnel) make(name string) (netlink.Link, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = name, t.mtu, hardwareOfNode(t.address)
	made := &netlink.Vxlan{LinkAttrs: attributes, VxlanId: networkID(t.cluster), SrcAddr: t.address.AsSlice(), Port: t.port, UDPCSum: true}
	if err := netlink.LinkAdd(made); err != nil {
		return nil, fmt.Errorf("make tunnel %s (VXLAN %d by %s, UDP port %d): %w", name, made.VxlanId, t.address, t.port, err)
	}
	link, err := netlink.LinkByName(name)
	if err == nil && t.cluster != "" {
		err = netlink.LinkSetAlias(link, aliasPrefix+t.cluster)
	}
	if err == nil {
		err = t.raise(link)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ready tunnel %s: %w", name, err), netlink.LinkDel(made))
	}
	return link, nil
}

func (t tunnel) raise(link netlink.Link) error {
	if link.Attrs().MTU != t.mtu {
		if err := netlink.LinkSetMTU(link, t.mtu); err != nil {
			return fmt.Errorf("set the MTU of tunnel %s to %d: %w", link.Attrs().Name, t.mtu, err)
		}
	}
	if link.Attrs().Flags&net.FlagUp != 0 {
		return nil
	}
	// It needs none but the sources; a kernel without IPv6 has none to give.
	const none = 1 // IN6_ADDR_GEN_MODE_NONE
	if err := netlink.LinkSetIP6AddrGenMode(link, none); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("keep tunnel %s from an address of its own: %w", link.Attrs().Name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up tunnel %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// own gives the tunnel its sources, and takes away those of another range.
func (t tunnel) own(link netlink.Link) error {
	var errs []error
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		source := netip.Prefix{}
		for _, s := range t.sources {
			if familyOf(s) == family {
				source = netip.PrefixFrom(s, s.BitLen())
			}
		}
		if err := setAddress(link, family, source); err != nil {
			errs = append(errs, fmt.Errorf("give tunnel %s the address %s: %w", link.Attrs().Name, source, err))
		}
	}
	return errors.Join(errs...)
}

// neighbour is an entry of the tunnel's own tables: where a gateway is, or by
// which node a hardware address is reached.
type neighbour struct {
	family   int
	address  netip.Addr
	hardware string
}

func (n neighbour) compare(o neighbour) int {
	return cmp.Or(cmp.Compare(n.family, o.family), n.address.Compare(o.address), cmp.Compare(n.hardware, o.hardware))
}

func (t tunnel) neighbours(hops []hop) map[neighbour]bool {
	want := map[neighbour]bool{}
	for _, h := range hops {
		hardware := hardwareOfNode(h.address).String()
		want[neighbour{familyOf(h.cidr.Addr()), h.cidr.Addr(), hardware}] = true
		want[neighbour{unix.AF_BRIDGE, h.address, hardware}] = true
	}
	return want
}

// meet writes the entries that lack, and answers those that are too many.
func (t tunnel) meet(link netlink.Link, hops []hop) (stale []netlink.Neigh, err error) {
	want := t.neighbours(hops)
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6, unix.AF_BRIDGE} {
		have, err := dump.Whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(link.Attrs().Index, family) })
		if err != nil {
			return nil, fmt.Errorf("list the neighbours by %s: %w", link.Attrs().Name, err)
		}
		for i := range have {
			address, _ := netip.AddrFromSlice(have[i].IP)
			n := neighbour{family, address.Unmap(), have[i].HardwareAddr.String()}
			switch {
			case have[i].State&netlink.NUD_PERMANENT == 0:
			case want[n]:
				delete(want, n)
			default:
				have[i].Family = family
				stale = append(stale, have[i])
			}
		}
	}
	var errs []error
	for _, n := range slices.SortedFunc(maps.Keys(want), neighbour.compare) { // so that the same errors read the same
		hardware, err := net.ParseMAC(n.hardware)
		if err == nil {
			err = n.write(link, hardware)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write the neighbour %s by %s: %w", n.address, link.Attrs().Name, err))
		}
	}
	return stale, errors.Join(errs...)
}

func (n neighbour) write(link netlink.Link, hardware net.HardwareAddr) error {
	entry := &netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: n.family, State: netlink.NUD_PERMANENT,
		IP: n.address.AsSlice(), HardwareAddr: hardware,
	}
	if n.family == unix.AF_BRIDGE {
		entry.Flags = netlink.NTF_SELF
	}
	return netlink.NeighSet(entry)
}

// part removes entries; one that a written one has replaced is gone already.
func part(link netlink.Link, stale []netlink.Neigh, kept map[neighbour]bool) error {
	var errs []error
	for i := range stale {
		address, _ := netip.AddrFromSlice(stale[i].IP)
		if stale[i].Family != unix.AF_BRIDGE && replaced(kept, stale[i].Family, address.Unmap()) {
			continue
		}
		if stale[i].Family == unix.AF_BRIDGE {
			stale[i].Flags = netlink.NTF_SELF
		}
		if err := netlink.NeighDel(&stale[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove the neighbour %s by %s: %w", address, link.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}

func replaced(kept map[neighbour]bool, family int, address netip.Addr) bool {
	for n := range kept {
		if n.family == family && n.address == address {
			return true
		}
	}
	return false
}
