package agents

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/announce"
	"segno/agents/network"
	"segno/agents/proxy"
	"segno/agents/services"
	"segno/events/ingressrule"
	"segno/proto"
)

func (a *Agent) assembleServices() (err error) {
	if a.cfg.Services == nil {
		return nil
	}
	a.serving, err = services.New(services.Config{
		Options: *a.cfg.Services, Catalog: a.cfg.Catalog, Node: a.proxied, Moved: a.moved, Address: a.cfg.Address, InTouch: a.inTouch, Logger: a.cfg.Logger,
		Told: func(status services.Status) { a.changeHealth(func(h *health) { h.services = status }) },
	})
	return err
}

// serve waits until there is something to serve: to an empty catalog the rules
// that an earlier agent left would be rules of nobody.
func (a *Agent) serve(ctx context.Context) error {
	for _, there := range []chan struct{}{a.shared.known, a.cabled} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-there:
		}
	}
	return a.serving.Run(ctx)
}

// proxied is this node as rules of Services depend on it.
func (a *Agent) proxied() proxy.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := proxy.Node{Name: string(a.cfg.Node)}
	node := a.node
	if node == nil {
		node = a.former // its pods are there before it has registered
	}
	if node == nil {
		return n
	}
	n.Zone = node.Labels[corev1.LabelTopologyZone]
	for _, text := range podCIDRs(node) {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			n.Pods = append(n.Pods, prefix)
		}
	}
	return n
}

// beatsInTouch is how many heartbeats may get lost: fewer than make the control
// plane give a node up.
const beatsInTouch = 3

// inTouch tells whether what all nodes know is what this one knows: its heartbeats
// are answered, and it was told everything.
func (a *Agent) inTouch() bool {
	last := a.answered.Load()
	return last != nil && time.Since(*last) < beatsInTouch*a.cfg.HeartbeatPeriod && a.shared.synced.Load() > 0
}

// heardOf notes that the control plane answers.
func (a *Agent) heardOf() {
	now := time.Now()
	a.answered.Store(&now)
}

// annotations of the Node object: how its pods reach other nodes', the networks on which this node can announce
// addresses, where it is found there, its gateways, and where Ingresses are to be served, when that was said.
func (a *Agent) annotations() map[string]string {
	out := map[string]string{}
	maps.Copy(out, a.cfg.Annotations)
	if a.cfg.Ingress != nil && len(a.cfg.Ingress.Addresses) > 0 {
		out[ingressrule.Addresses] = joined(a.cfg.Ingress.Addresses)
	}
	if link := a.link(); link != "" {
		out[proto.NodeLink] = link
	}
	if a.serving == nil {
		return out
	}
	networks, err := announce.Networks(a.proxied().Pods...)
	if err != nil {
		a.cfg.Logger.Warn("load balancer addresses are not announced by this node", "error", err)
	}
	out[proto.NodeNetworks] = joined(networks)
	hardware, err := announce.Hardware()
	if err != nil {
		a.cfg.Logger.Warn("other nodes may take this one for a stranger that has a load balancer address", "error", err)
	}
	out[proto.NodeHardware] = joined(hardware)
	gateways, err := network.Gateways()
	if err != nil {
		a.cfg.Logger.Warn("a Service could be given the address of a gateway", "error", err)
	}
	slices.SortFunc(gateways, netip.Addr.Compare)
	out[proto.NodeGateways] = joined(slices.Compact(gateways))
	return out
}

// joined are the texts of all, with commas.
func joined[T fmt.Stringer](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.String()
	}
	return strings.Join(texts, ",")
}
