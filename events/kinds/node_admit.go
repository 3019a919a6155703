package kinds

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
)

// admitNode gives a new node the first free pod network, one of each family that
// the cluster has.
func admitNode(view events.View, node, old *corev1.Node) error {
	if old != nil || node.Spec.PodCIDR != "" {
		return nil
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: nodeResource})
	if err != nil {
		return fmt.Errorf("list nodes to find a free pod network for %s: %w", node.Name, err)
	}
	all, err := podNetworks(view)
	if err != nil {
		return err
	}
	var cidrs []string
	for _, from := range all {
		network, found := firstFree(from, nodes)
		if !found {
			return apierrors.NewForbidden(groupResource(nodeResource), node.Name, fmt.Errorf("all %d pod networks of the cluster are in use", from.size))
		}
		cidrs = append(cidrs, network.String())
	}
	node.Spec.PodCIDR, node.Spec.PodCIDRs = cidrs[0], cidrs
	return nil
}

func firstFree(all networks, nodes []*corev1.Node) (network netip.Prefix, found bool) {
	taken := make(map[netip.Prefix]bool, len(nodes))
	for _, node := range nodes {
		for _, cidr := range node.Spec.PodCIDRs {
			if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is4() == all.first.Addr().Is4() {
				taken[prefix.Masked()] = true
			}
		}
	}
	for n := range all.size {
		if network := all.at(n); !overlaps(taken, network) {
			return network, true
		}
	}
	return netip.Prefix{}, false
}

// overlaps looks the network itself up first: almost always that settles it.
func overlaps(taken map[netip.Prefix]bool, network netip.Prefix) bool {
	if taken[network] {
		return true
	}
	for other := range taken {
		if other.Bits() != network.Bits() && other.Overlaps(network) {
			return true
		}
	}
	return false
}
