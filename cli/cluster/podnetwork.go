package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// choosePodNetwork decides once, at the first start, where the nodes' networks
// come from: as asked, else the usual one, else one that this machine has free.
func (c *Cluster) choosePodNetwork(ctx context.Context) error {
	current := c.View()
	kept, set, err := kinds.PodNetworks(current)
	if err != nil {
		return err
	}
	nodes, err := current.List(events.Query{Resource: nodeResource})
	if err != nil {
		return fmt.Errorf("look whether nodes have networks: %w", err)
	}
	choice := podNetworkChoice{kept: kept, fixed: set || len(nodes.Items) > 0}
	if choice.asked, err = c.cfg.podNetworks(); err != nil {
		return err
	}
	services, _, err := kinds.RangesOfServices(current)
	if err != nil {
		return err
	}
	choice.services = services.Networks
	if !choice.fixed && c.bridges() {
		if choice.holders, err = network.Holders(c.scope()); err != nil {
			return err
		}
	}
	chosen, err := choice.decide()
	if err != nil || slices.Equal(chosen, kept) {
		return err
	}
	return c.keepPodNetwork(ctx, chosen)
}

// bridges tells whether pods of this process get real networks.
func (c *Cluster) bridges() bool {
	return slices.ContainsFunc(c.nodes, func(n *node) bool { _, real := n.network.(*network.Bridge); return real })
}

func (c *Cluster) keepPodNetwork(ctx context.Context, chosen []netip.Prefix) error {
	key := proto.Resource{Name: "namespaces"}.Key("", metav1.NamespaceSystem)
	system, found, err := events.GetAs[*corev1.Namespace](c.View(), key)
	if err == nil && !found {
		err = fmt.Errorf("there is no %s", key)
	}
	if err == nil {
		system = events.Copy(system)
		metav1.SetMetaDataAnnotation(&system.ObjectMeta, kinds.PodNetworkAnnotation, listed(chosen))
		_, err = c.Submit(ctx, events.Command{
			Actor: "system:network", Via: "bootstrap", Reason: "PodNetworkChosen", Action: events.Update{Key: key, Object: system},
		})
	}
	if err != nil {
		return fmt.Errorf("keep the pod network %s: %w", listed(chosen), err)
	}
	return nil
}

// podNetworkChoice is what a pod network is chosen by.
type podNetworkChoice struct {
	asked   []netip.Prefix // by a person; none is no wish
	kept    []netip.Prefix // the cluster's so far
	fixed   bool           // nodes may have parts of it already
	holders []network.Holder
	// services are where the addresses of Services are.
	services []netip.Prefix
}

// decide is pure.
func (c podNetworkChoice) decide() ([]netip.Prefix, error) {
	switch {
	case c.fixed && len(c.asked) > 0 && !slices.Equal(c.asked, c.kept):
		return c.kept, fmt.Errorf("--pod-network-cidr %s: this cluster's pod network is %s, and its nodes have parts of it; it can be chosen at a cluster's first start only", listed(c.asked), listed(c.kept))
	case c.fixed:
		return c.kept, nil
	case len(c.asked) > 0:
		for _, asked := range c.asked {
			if i := slices.IndexFunc(c.services, asked.Overlaps); i >= 0 {
				return c.kept, fmt.Errorf("--pod-network-cidr %s: overlaps %s, where the addresses of Services are", asked, c.services[i])
			}
			if h, held := c.holder(asked); held {
				return c.kept, fmt.Errorf("--pod-network-cidr %s: this machine has %s already", asked, h)
			}
		}
		return c.asked, nil
	}
	for candidate := range podNetworkCandidates {
		if _, held := c.holder(candidate); !held && !slices.ContainsFunc(c.services, candidate.Overlaps) {
			return []netip.Prefix{candidate}, nil
		}
	}
	h, _ := c.holder(c.kept[0])
	return c.kept, fmt.Errorf("find a pod network: %s and all others that are tried are in use on this machine (the first by %s); say which is free with --pod-network-cidr", listed(c.kept), h)
}

// listed writes networks as they are asked for.
func listed(networks []netip.Prefix) string {
	texts := make([]string, len(networks))
	for i := range networks {
		texts[i] = networks[i].String()
	}
	return strings.Join(texts, ",")
}

func (c podNetworkChoice) holder(of netip.Prefix) (network.Holder, bool) {
	i := slices.IndexFunc(c.holders, func(h network.Holder) bool { return h.In(of) })
	if i < 0 {
		return network.Holder{}, false
	}
	return c.holders[i], true
}

// podNetworkCandidates yields the usual network, those behind it, and some that
// neither home networks nor engines take by themselves.
func podNetworkCandidates(yield func(netip.Prefix) bool) {
	for _, block := range []struct{ a, from, to byte }{{10, 244, 255}, {10, 128, 243}, {172, 24, 31}} {
		for b := int(block.from); b <= int(block.to); b++ {
			if !yield(netip.PrefixFrom(netip.AddrFrom4([4]byte{block.a, byte(b)}), 16)) {
				return
			}
		}
	}
}
