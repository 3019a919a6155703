package agents

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/proxy"
	"segno/agents/services"
)

func (a *Agent) assembleServices() (err error) {
	if a.cfg.Services == nil {
		return nil
	}
	a.serving, err = services.New(services.Config{
		Options: *a.cfg.Services, Catalog: a.cfg.Catalog, Node: a.proxied, Moved: a.moved, Logger: a.cfg.Logger,
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
	if a.node == nil {
		return n
	}
	n.Zone = a.node.Labels[corev1.LabelTopologyZone]
	for _, text := range podCIDRs(a.node) {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			n.Pods = append(n.Pods, prefix)
		}
	}
	return n
}
