package ipvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"segno/agents/proxy"
)

// Run deletes backends that are drained until ctx ends. All else is in the
// kernel, and stays there.
func (p *Plane) Run(ctx context.Context) error {
	tick := time.NewTicker(p.cfg.DrainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			p.sweep(time.Now())
		}
	}
}

// sweep deletes what is drained, or has drained for too long.
func (p *Plane) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for dial := range p.draining {
		if err := p.twice(dial, func() error { return p.sweepServer(dial, now) }); err != nil {
			p.cfg.Logger.Warn("a drained backend is not removed", "error", err)
		}
	}
}

func (p *Plane) sweepServer(dial proxy.Dial, now time.Time) error {
	s := p.servers[dial]
	if s == nil {
		delete(p.draining, dial)
		return nil
	}
	all, err := p.kernel.Destinations(s.service)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("count the connections of its backends: %w", err)
	}
	left := false
	for i := range all {
		at := netip.AddrPortFrom(all[i].Address.Unmap(), all[i].Port)
		b := s.backends[at]
		if b == nil || b.since.IsZero() {
			continue
		}
		open := all[i].ActiveConnections + all[i].InactiveConnections
		if open > 0 && now.Sub(b.since) < p.cfg.DrainFor {
			left = true
			continue
		}
		if open > 0 {
			p.cfg.Logger.Info("connections to a backend that is gone are cut", "frontend", dial, "backend", at, "connections", open, "after", p.cfg.DrainFor)
		}
		if err := p.remove(s, at); err != nil {
			return err
		}
	}
	if left {
		return nil
	}
	delete(p.draining, dial)
	if !s.wanted {
		return p.delete(dial, s)
	}
	return nil
}
