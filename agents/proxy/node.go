package proxy

import (
	"net/netip"
	"slices"
)

// Node is what rules depend on besides the Service.
type Node struct {
	// Name of this node, as endpoints name it.
	Name string
	// Zone is the node's label topology.kubernetes.io/zone; empty is unknown.
	Zone string
	// Addresses that the node has.
	Addresses []netip.Addr
	// NodePorts are the ranges whose addresses serve node ports; empty is all
	// but loopback and link-local ones.
	NodePorts []netip.Prefix
	// Pods are the addresses of the node's own pods.
	Pods []netip.Prefix
	// Others are addresses of other machines that this node has to reach: of the
	// other nodes, and of gateways. A Service may name them, too; the node must not
	// take itself for them. Planes hear of new ones with the next Sync.
	Others []netip.Addr
}

// Equal says that no rule differs. Addresses that serve nothing do not count: each
// pod that comes or goes changes the links, and the link-local addresses on them.
func (n Node) Equal(o Node) bool {
	return n.Name == o.Name && n.Zone == o.Zone && slices.Equal(n.Pods, o.Pods) &&
		slices.Equal(n.nodePortAddresses(), o.nodePortAddresses())
}

// nodePortAddresses are those on which node ports are served.
func (n Node) nodePortAddresses() []netip.Addr {
	var out []netip.Addr
	for _, a := range n.Addresses {
		if a = a.Unmap().WithZone(""); n.serves(a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare) // links may come in another order
	return out
}

func (n Node) serves(a netip.Addr) bool {
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return false
	}
	if len(n.NodePorts) == 0 {
		return !a.IsLoopback()
	}
	return slices.ContainsFunc(n.NodePorts, func(p netip.Prefix) bool { return p.Contains(a) })
}
