package network

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"segno/agents/dump"
)

// Holder is what has a network on this machine.
type Holder struct {
	Prefix    netip.Prefix
	Interface string
	Route     bool   // it leads there, and is not the interface's own address
	Cluster   string // whose bridge it is, where a segno made it
}

// String says who it is, and of a bridge of segno's how it goes when its
// cluster is no more.
func (h Holder) String() string {
	what := fmt.Sprintf("%s on interface %s", h.Prefix, h.Interface)
	if h.Route {
		what = fmt.Sprintf("the route to %s by interface %s", h.Prefix, h.Interface)
	}
	if h.Ours() { // older ones say only their names
		what += fmt.Sprintf(", the bridge of another segno cluster; if that is no more: ip link delete %s", h.Interface)
	}
	return what
}

// Ours tells whether a segno made it.
func (h Holder) Ours() bool { return h.Cluster != "" || bridgeOfOurs(h.Interface) }

// In tells whether pods of the network would not be reached, or something else
// no longer. A route that leads to more than the network does no harm: the
// bridge is nearer.
func (h Holder) In(network netip.Prefix) bool {
	return h.Prefix.Overlaps(network) && (!h.Route || h.Prefix.Bits() >= network.Bits())
}

// Holders are all on this machine but the bridges of the given cluster.
func Holders(cluster string) ([]Holder, error) {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []Holder
	for _, link := range links {
		owner := ownerOf(link)
		if cluster != "" && owner == cluster {
			continue
		}
		own, err := held(link)
		if err != nil {
			return nil, err
		}
		for i := range own {
			own[i].Cluster = owner
		}
		out = append(out, own...)
	}
	return out, nil
}

// held is what one interface has.
func held(link netlink.Link) (out []Holder, err error) {
	name := link.Attrs().Name
	addresses, err := dump.Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("addresses of interface %s: %w", name, err)
	}
	for _, address := range addresses {
		if prefix, ok := prefixOf(address.IPNet); ok {
			out = append(out, Holder{Prefix: prefix, Interface: name})
		}
	}
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("routes by interface %s: %w", name, err)
	}
	for i := range routes {
		if routes[i].Dst == nil {
			continue // the default route, in older kernels
		}
		if prefix, ok := prefixOf(routes[i].Dst); ok && prefix.Bits() > 0 {
			out = append(out, Holder{Prefix: prefix, Interface: name, Route: true})
		}
	}
	return out, nil
}

// aliasPrefix begins the alias of every bridge of segno's: people see it in
// `ip link`, and a cluster finds its own by it.
const aliasPrefix = "segno cluster "

// ownerOf is the cluster whose bridge a link is, "" when it is nobody's.
func ownerOf(link netlink.Link) string {
	owner, ours := strings.CutPrefix(link.Attrs().Alias, aliasPrefix)
	if !ours {
		return ""
	}
	return owner
}

func bridgeOfOurs(name string) bool {
	hex, ours := strings.CutPrefix(name, bridgePrefix)
	return ours && len(hex) == bridgeDigits && strings.Trim(hex, "0123456789abcdef") == ""
}

// RemoveOf deletes the bridges of a cluster with the links on them, its tunnel
// and its nodes' tables, and answers the links' names: for a cluster that is no
// more. With the name of a bridge it is for the end of that node alone: another one
// of the cluster that is here keeps its own, and the tunnel.
func RemoveOf(cluster, only string) (removed []string, err error) {
	if cluster == "" {
		return nil, nil // that would be everything that is nobody's
	}
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	keeps := func(link netlink.Link) bool {
		return only != "" && link.Type() == "bridge" && ownerOf(link) == cluster && link.Attrs().Name != only
	}
	shared := slices.ContainsFunc(links, keeps)
	for _, link := range links {
		name := link.Attrs().Name
		switch {
		case ownerOf(link) != cluster || keeps(link) || shared && name == tunnelName(cluster):
			continue
		case link.Type() == "bridge":
			b := &Bridge{cfg: Config{Name: name, Logger: slog.New(slog.DiscardHandler)}}
			err = b.Remove()
		case name == tunnelName(cluster):
			err = unplug(name)
		default:
			continue
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}
