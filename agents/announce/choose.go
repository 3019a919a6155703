package announce

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// candidate is a node that can take traffic from outside.
type candidate struct {
	name     string
	hash     uint64
	networks []netip.Prefix // that it is on
}

// mostNetworks of one node are looked at.
const mostNetworks = 64

// candidates are the nodes that are ready, serve Services, can announce on some
// network, and are not kept from load balancers by the label.
func candidates(nodes []*corev1.Node) (out []candidate) {
	for _, node := range nodes {
		_, kept := node.Labels[corev1.LabelNodeExcludeBalancers]
		if kept || !is(node, corev1.NodeReady) || !is(node, proto.NodeServiceProxy) {
			continue
		}
		c := candidate{name: node.Name, hash: hashOf(node.Name)}
		for text := range strings.SplitSeq(node.Annotations[proto.NodeNetworks], ",") {
			if network, err := netip.ParsePrefix(text); err == nil && len(c.networks) < mostNetworks {
				c.networks = append(c.networks, network)
			}
		}
		if len(c.networks) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// takenBy are the addresses that the nodes have themselves, and their gateways.
func takenBy(nodes []*corev1.Node) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, node := range nodes {
		texts := strings.Split(node.Annotations[proto.NodeGateways], ",")
		for _, at := range node.Status.Addresses {
			texts = append(texts, at.Address)
		}
		for _, text := range texts {
			if address, err := netip.ParseAddr(text); err == nil {
				out[address.Unmap()] = true
			}
		}
	}
	return out
}

func is(node *corev1.Node, what corev1.NodeConditionType) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == what && c.Status == corev1.ConditionTrue
	})
}

func (c *candidate) isOn(address netip.Addr) bool {
	return slices.ContainsFunc(c.networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// holder is the one node that announces the address, "" when none can: of those
// that may, one that is on the address's network, if any is. Each address has its
// own order of nodes (rendezvous hashing), so that a node that leaves or comes
// moves only what it had, or gets.
func holder(address netip.Addr, among []candidate, may func(node string) bool) string {
	best, found := uint64(0), (*candidate)(nil)
	on := false
	of := hashOf(address.String())
	for i := range among {
		c := &among[i]
		if may != nil && !may(c.name) {
			continue
		}
		here, score := c.isOn(address), mixed(c.hash^mixed(of))
		better := score > best || score == best && found != nil && c.name < found.name
		if found == nil || here && !on || here == on && better {
			best, found, on = score, c, here
		}
	}
	if found == nil {
		return ""
	}
	return found.name
}

func hashOf(text string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text)) // cannot fail
	return sum.Sum64()
}

// mixed spreads a difference in any bit over all of them.
func mixed(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
