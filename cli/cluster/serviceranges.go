package cluster

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/agents/proxy/ipvs"
	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// chooseServiceRanges decides, at the first start, where the addresses of Services
// come from; the range of node ports may change at any start. Both are to be written
// into the log, which alone says what Services are given.
func (c *Cluster) chooseServiceRanges() (chosen kinds.ServiceRanges, err error) {
	choice, err := c.serviceChoice()
	if err != nil {
		return chosen, err
	}
	if chosen, err = choice.decide(); err != nil {
		return chosen, err
	}
	c.cfg.Services = withRanges(c.cfg.Services, []netip.Addr{chosen.DNS()}, chosen.Networks)
	return chosen, nil
}

func (c *Cluster) serviceChoice() (choice serviceChoice, err error) {
	current := c.View()
	ranges, set, err := kinds.RangesOfServices(current)
	if err != nil {
		return choice, err
	}
	services, err := current.List(events.Query{Resource: serviceResource, Limit: 1})
	if err != nil {
		return choice, fmt.Errorf("look whether there are Services: %w", err)
	}
	choice = serviceChoice{kept: ranges, fixed: set || len(services.Items) > 0}
	if choice.networks, choice.ports, err = c.cfg.serviceRanges(); err != nil {
		return choice, err
	}
	if choice.pods, err = c.cfg.podNetworks(); err != nil {
		return choice, err
	}
	if !choice.fixed && c.bridges() {
		choice.holders, err = network.Holders(c.scope())
	}
	return choice, err
}

// serviceRanges are those that a person asks for; none is no wish.
func (c Config) serviceRanges() (networks []netip.Prefix, ports kinds.PortRange, err error) {
	if c.ServiceNetwork != "" {
		if networks, err = kinds.ParseServiceNetworks(c.ServiceNetwork); err != nil {
			return nil, ports, fmt.Errorf("--service-cidr: %w", err)
		}
	}
	if c.NodePorts != "" {
		if ports, err = kinds.ParsePortRange(c.NodePorts); err != nil {
			return nil, ports, fmt.Errorf("--service-node-port-range: %w", err)
		}
	}
	return networks, ports, nil
}

// podNetworks are those that a person asks for; none is no wish.
func (c Config) podNetworks() ([]netip.Prefix, error) {
	if c.PodNetwork == "" {
		return nil, nil
	}
	networks, err := kinds.ParsePodNetworks(c.PodNetwork)
	if err != nil {
		return nil, fmt.Errorf("--pod-network-cidr: %w", err)
	}
	return networks, nil
}

// checkRanges refuses networks that cannot be, whatever the cluster.
func (c Config) checkRanges() error {
	services, _, err := c.serviceRanges()
	if err != nil {
		return err
	}
	pods, err := c.podNetworks()
	if err != nil {
		return err
	}
	return kinds.NetworksApart(services, pods)
}

// noteServiceRanges adds to what is made at a start that the ranges are written
// down, if they are not yet.
func noteServiceRanges(current events.View, making events.Batch, chosen kinds.ServiceRanges) (events.Batch, error) {
	key := proto.Resource{Name: "namespaces"}.Key("", metav1.NamespaceSystem)
	note := func(meta *metav1.ObjectMeta) {
		metav1.SetMetaDataAnnotation(meta, kinds.ServiceNetworkAnnotation, listed(chosen.Networks))
		metav1.SetMetaDataAnnotation(meta, kinds.NodePortsAnnotation, chosen.Ports.String())
	}
	for _, action := range making {
		if creation, ok := action.(events.Create); ok && creation.Key == key {
			note(&creation.Object.(*corev1.Namespace).ObjectMeta)
			return making, nil
		}
	}
	system, found, err := events.GetAs[*corev1.Namespace](current, key)
	if err == nil && !found {
		err = fmt.Errorf("there is no %s", key)
	}
	if err != nil {
		return making, fmt.Errorf("write down the ranges of Services: %w", err)
	}
	noted := events.Copy(system)
	if note(&noted.ObjectMeta); maps.Equal(noted.Annotations, system.Annotations) {
		return making, nil
	}
	return append(making, events.Update{Key: key, Object: noted}), nil
}

// serviceChoice is what the ranges of Services are chosen by.
type serviceChoice struct {
	networks []netip.Prefix  // asked for by a person; none is no wish
	ports    kinds.PortRange // the same; zero is no wish
	pods     []netip.Prefix  // the pod network that is asked for; none is no wish
	kept     kinds.ServiceRanges
	fixed    bool // Services may have addresses already
	holders  []network.Holder
}

// decide is pure.
func (c serviceChoice) decide() (kinds.ServiceRanges, error) {
	out := c.kept
	if c.ports != (kinds.PortRange{}) {
		out.Ports = c.ports
	}
	switch {
	case c.fixed && len(c.networks) > 0 && !slices.Equal(c.networks, c.kept.Networks):
		return out, fmt.Errorf("--service-cidr %s: this cluster's Services have addresses of %s; it can be chosen at a cluster's first start only", listed(c.networks), listed(c.kept.Networks))
	case c.fixed:
		return out, nil
	case len(c.networks) > 0:
		out.Networks = c.networks
	}
	if err := kinds.NetworksApart(out.Networks, c.pods); err != nil {
		return out, err
	}
	for _, network := range out.Networks {
		if h, held := c.holder(network); held {
			return out, fmt.Errorf("addresses of Services from %s: this machine has %s, and would not be reached there any more; choose another range with --service-cidr", network, h)
		}
	}
	return out, nil
}

// holder is what on this machine has a part of a network. What Services of another
// cluster have here does no harm by itself.
func (c serviceChoice) holder(of netip.Prefix) (network.Holder, bool) {
	for _, h := range c.holders {
		ofServices := h.Prefix.IsSingleIP() && (h.Interface == "lo" || h.Interface == ipvs.DefaultLink)
		if h.In(of) && !ofServices {
			return h, true
		}
	}
	return network.Holder{}, false
}
