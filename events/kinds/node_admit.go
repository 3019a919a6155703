package kinds

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
)

// admitNode gives a new node the first free pod network.
func admitNode(view events.View, node, old *corev1.Node) error {
	if old != nil || node.Spec.PodCIDR != "" {
		return nil
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: nodeResource})
	if err != nil {
		return fmt.Errorf("list nodes to find a free pod network for %s: %w", node.Name, err)
	}
	taken := make(map[netip.Prefix]bool, len(nodes))
	for _, other := range nodes {
		for _, cidr := range other.Spec.PodCIDRs {
			if prefix, err := netip.ParsePrefix(cidr); err == nil {
				taken[prefix.Masked()] = true
			}
		}
	}
	all, err := podNetworks(view)
	if err != nil {
		return err
	}
	for n := range all.size {
		if network := all.at(n); !overlaps(taken, network) {
			node.Spec.PodCIDR = network.String()
			node.Spec.PodCIDRs = []string{node.Spec.PodCIDR}
			return nil
		}
	}
	return apierrors.NewForbidden(groupResource(nodeResource), node.Name, fmt.Errorf("all %d pod networks of the cluster are in use", all.size))
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
