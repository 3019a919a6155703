package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/dump"
)

// routeMark, as the protocol of a route, says that this package made it.
const routeMark = 83

// route leads to the pods of another node.
type route struct {
	peer    string
	cidr    netip.Prefix
	gateway netip.Addr
	link    int // by whose index
	onlink  bool
}

// router keeps the routes to other nodes as they should be. What it has made is
// told by the mark, and by tunnel or source: other clusters on the machine use
// the same mark.
type router struct {
	sources map[bool]netip.Addr // of this node's own packets, by family: its bridge's addresses; true is IPv6
	tunnel  int                 // index of the tunnel; 0 is none
}

func (r router) ours(is *netlink.Route) bool {
	if is.Protocol != routeMark {
		return false
	}
	source, _ := netip.AddrFromSlice(is.Src)
	source = source.Unmap()
	return r.tunnel != 0 && is.LinkIndex == r.tunnel || source.IsValid() && r.sources[source.Is6()] == source
}

// set adds and mends the wanted routes and removes those of nodes that left. A
// route of somebody else's to the same place is left alone and named.
func (r router) set(want []route) error {
	var errs []error
	have := map[netip.Prefix]*netlink.Route{}
	var stale []*netlink.Route
	wanted := make(map[netip.Prefix]bool, len(want))
	for i := range want {
		wanted[want[i].cidr] = true
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		all, err := dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, family) })
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for i := range all {
			if all[i].Dst == nil {
				continue
			}
			to, ok := prefixOf(all[i].Dst)
			if ok && wanted[to] && (have[to] == nil || r.ours(&all[i])) {
				have[to] = &all[i]
			} else if r.ours(&all[i]) {
				stale = append(stale, &all[i])
			}
		}
	}
	for i := range want {
		errs = append(errs, r.ensure(&want[i], have[want[i].cidr]))
	}
	for _, old := range stale {
		if err := netlink.RouteDel(old); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("remove the stale route to %s: %w", old.Dst, err))
		}
	}
	return errors.Join(errs...)
}

func (r router) ensure(want *route, is *netlink.Route) error {
	if is != nil {
		gateway, _ := netip.AddrFromSlice(is.Gw)
		if is.Protocol == routeMark && is.LinkIndex == want.link && gateway.Unmap() == want.gateway && len(is.Src) > 0 {
			return nil
		}
		if is.Protocol != routeMark {
			return fmt.Errorf("node %s: this machine has another route to its pods: %s", want.peer, is)
		}
	}
	made := &netlink.Route{
		LinkIndex: want.link, Dst: ipNet(want.cidr), Gw: want.gateway.AsSlice(), Protocol: routeMark, Family: familyOf(want.cidr.Addr()),
	}
	if source := r.sources[want.cidr.Addr().Is6()]; source.IsValid() {
		made.Src = source.AsSlice()
	}
	if want.onlink {
		made.Flags = int(netlink.FLAG_ONLINK)
	}
	if err := netlink.RouteReplace(made); err != nil {
		return fmt.Errorf("node %s: route %s by %s: %w", want.peer, want.cidr, want.gateway, err)
	}
	return nil
}

// CanLead says why a backend does not bring packets to pods by their node's address.
func CanLead(backend Backend, pods netip.Prefix, node netip.Addr) error {
	if backend == HostGW && node.Is6() != pods.Addr().Is6() {
		return fmt.Errorf("host-gw cannot lead %s by the address %s of another family; --backend=vxlan can", pods, node)
	}
	return nil
}

// direct is the route to a node on one segment with this one.
func direct(h hop) (route, error) {
	if err := CanLead(HostGW, h.cidr, h.address); err != nil {
		return route{}, fmt.Errorf("node %s: %w", h.peer, err)
	}
	link, err := segment(h.address)
	if err != nil {
		return route{}, fmt.Errorf("node %s: %w", h.peer, err)
	}
	return route{peer: h.peer, cidr: h.cidr, gateway: h.address, link: link}, nil
}

// segment is the link by which an address is reached without a gateway.
func segment(address netip.Addr) (link int, err error) {
	ways, err := netlink.RouteGet(address.AsSlice())
	if err != nil {
		return 0, fmt.Errorf("there is no route to its address %s: %w", address, err)
	}
	for i := range ways {
		if len(ways[i].Gw) == 0 && ways[i].Type == unix.RTN_UNICAST {
			return ways[i].LinkIndex, nil
		}
	}
	return 0, fmt.Errorf("its address %s is not on a network segment of this machine, which --backend=host-gw needs; take --backend=vxlan on all nodes", address)
}

// SetPeers says which other nodes there are, all of them. Routes, neighbours and
// the ranges that are not masqueraded become just what follows from it. It is
// safe to repeat, and mends what somebody has changed in the kernel. What is
// wrong with one peer keeps no other from being reached.
func (b *Bridge) SetPeers(_ context.Context, peers []Peer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peers, b.told = peers, true
	return b.join()
}

// join brings the kernel to what the peers say, once both they and the CIDRs are
// known.
func (b *Bridge) join() error {
	if b.pool == nil || !b.told {
		return nil
	}
	used, err := b.used()
	if err != nil {
		return err
	}
	hops, inside, flaws := plan(b.cfg.Address, used, b.peers)
	errs := append(flaws, b.lead(hops))
	errs = append(errs, b.tables().masquerade(b.pool.cidrs, append(inside, b.pool.cidrs...)))
	return errors.Join(errs...)
}

// used are the ranges of this machine that no peer can have.
func (b *Bridge) used() ([]span, error) {
	holders, err := Holders(b.cfg.Cluster)
	if err != nil {
		return nil, err
	}
	var out []span
	for _, h := range holders {
		if !h.Route && h.Interface != b.cfg.Name && h.Interface != tunnelName(b.cfg.Cluster) {
			out = append(out, span{h.Prefix, h.String()})
		}
	}
	for _, cidr := range b.pool.cidrs {
		out = append(out, span{cidr, "this node's own"})
	}
	return out, nil
}

// lead makes the way to every hop.
func (b *Bridge) lead(hops []hop) error {
	r := router{sources: map[bool]netip.Addr{}}
	for _, cidr := range b.pool.cidrs {
		r.sources[cidr.Addr().Is6()] = gatewayOf(cidr)
	}
	if b.cfg.Backend == HostGW {
		return b.leadDirectly(r, hops)
	}
	return b.leadByTunnel(r, hops)
}

func (b *Bridge) leadDirectly(r router, hops []hop) error {
	var errs []error
	var want []route
	for _, h := range hops {
		way, err := direct(h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want = append(want, way)
	}
	errs = append(errs, r.set(want))
	return errors.Join(append(errs, unplug(tunnelName(b.cfg.Cluster)))...)
}

func (b *Bridge) leadByTunnel(r router, hops []hop) error {
	if len(hops) == 0 {
		return errors.Join(r.set(nil), unplug(tunnelName(b.cfg.Cluster)))
	}
	if !usable(b.cfg.Address) {
		return fmt.Errorf("reach the pods of other nodes: this node's address %s is one that they cannot reach; give it with --node-ip", b.cfg.Address)
	}
	t := tunnel{cluster: b.cfg.Cluster, address: b.cfg.Address, port: b.cfg.Port, mtu: b.mtu, sources: slices.Collect(maps.Values(r.sources))}
	var errs []error
	fit := hops[:0:0]
	for _, h := range hops {
		if h.address.Is6() != t.address.Is6() {
			errs = append(errs, fmt.Errorf("node %s: its address %s is of another family than this node's, %s", h.peer, h.address, t.address))
			continue
		}
		fit = append(fit, h)
	}
	link, err := t.ensure()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	errs = append(errs, t.own(link))
	stale, err := t.meet(link, fit)
	errs = append(errs, err)
	r.tunnel = link.Attrs().Index
	want := make([]route, 0, len(fit))
	for _, h := range fit {
		// The gateway is the range's own first address, which nobody has.
		want = append(want, route{peer: h.peer, cidr: h.cidr, gateway: h.cidr.Addr(), link: r.tunnel, onlink: true})
	}
	errs = append(errs, r.set(want), part(link, stale, t.neighbours(fit)))
	return errors.Join(errs...)
}
