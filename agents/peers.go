package agents

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
)

// Router is a Network that leads to the pods of other nodes.
type Router interface {
	// SetPeers says which other nodes there are, all of them. It is safe to repeat,
	// mends what somebody changed, and does what it can when it fails.
	SetPeers(ctx context.Context, peers []network.Peer) error
}

const (
	// routesAgain is how often the routes are compared with the kernel's.
	routesAgain = time.Minute
	// routesSoon is when that is tried again after a failure.
	routesSoon = 5 * time.Second
)

// route keeps the network told of the other nodes.
func (a *Agent) route(ctx context.Context, router Router) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.shared.known:
	}
	said, told, due := "", []network.Peer(nil), time.Time{}
	for {
		nodes, moved := a.shared.catalog.Nodes()
		a.tellApart(nodes)
		peers := peersOf(nodes, string(a.cfg.Node), a.cfg.Address)
		slices.SortFunc(peers, func(a, b network.Peer) int { return strings.Compare(a.Name, b.Name) })
		if due.After(time.Now()) && slices.EqualFunc(peers, told, network.Peer.Equal) {
			if err := waitFor(ctx, moved, time.Until(due)); err != nil {
				return err
			}
			continue // something else of a node changed
		}
		err := router.SetPeers(ctx, peers)
		if err != nil && err.Error() != said {
			a.cfg.Logger.Warn("pods of some nodes may not be reached; tried again every few seconds", "error", err)
		}
		told, due = peers, time.Now().Add(routesAgain)
		if said = text(err); err != nil {
			due = time.Now().Add(routesSoon)
		}
	}
}

// waitFor waits for something to happen, though not for long.
func waitFor(ctx context.Context, happens <-chan struct{}, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-happens:
	case <-timer.C:
	}
	return nil
}

// peersOf are the other nodes as the network needs them. One without addresses
// or pods is not there yet.
func peersOf(nodes []*corev1.Node, self string, address netip.Addr) (out []network.Peer) {
	for _, node := range nodes {
		p := network.Peer{Name: node.Name, Address: reachable(node, address.Is6())}
		for _, cidr := range podCIDRs(node) {
			if prefix, err := netip.ParsePrefix(cidr); err == nil {
				p.PodCIDRs = append(p.PodCIDRs, prefix)
			}
		}
		if node.Name != self && p.Address.IsValid() && len(p.PodCIDRs) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// reachable is the address by which others reach a node: the first of the
// family that this node has, else the first.
func reachable(node *corev1.Node, v6 bool) (found netip.Addr) {
	for _, a := range node.Status.Addresses {
		address, err := netip.ParseAddr(a.Address)
		if a.Type != corev1.NodeInternalIP || err != nil {
			continue
		}
		if address = address.Unmap(); address.Is6() == v6 {
			return address
		}
		if !found.IsValid() {
			found = address
		}
	}
	return found
}
