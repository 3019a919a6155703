package userspace

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// sweepEvery is how often clients that did not come back are forgotten.
const sweepEvery = 10 * time.Second

// Config of a Plane.
type Config struct {
	Logger *slog.Logger
}

// Plane listens and copies.
type Plane struct {
	cfg  Config
	net  surroundings
	room *room

	mu    sync.Mutex
	told  map[types.NamespacedName][]proxy.Dial
	ports map[proxy.Dial]*port
	ours  map[netip.Addr]struct{} // addresses that our routes make local
	uses  map[netip.Addr]int      // ports on each of them
	// others never become this node's own.
	others map[netip.Addr]struct{}
	// leaving still carry connections.
	leaving map[*port]struct{}
}

// New answers a plane in the network namespace of this process.
func New(cfg Config) (*Plane, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Plane{cfg: cfg, room: roomy()}
	p.reset()
	return p, nil
}

func (p *Plane) reset() {
	p.told, p.ports = map[types.NamespacedName][]proxy.Dial{}, map[proxy.Dial]*port{}
	p.ours, p.uses, p.leaving = map[netip.Addr]struct{}{}, map[netip.Addr]int{}, map[*port]struct{}{}
}

// Run forgets clients that did not come back. When ctx ends, so does all that
// is carried.
func (p *Plane) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.cut()
			p.mu.Unlock()
			return ctx.Err()
		case now := <-tick.C:
			p.sweep(now)
		}
	}
}

func (p *Plane) sweep(now time.Time) {
	if n := p.room.refused.Swap(0); n > 0 {
		p.cfg.Logger.Warn("clients of Services were turned away: this process may have no more files open (ulimit -n); the modes ipvs and nftables need none",
			"clients", n, "connections", p.room.most)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.ports {
		at.sweep(now)
	}
	for at := range p.leaving {
		if at.tcp.idle() {
			delete(p.leaving, at)
		}
	}
}

// cut ends everything that is carried, and all listening.
func (p *Plane) cut() {
	for dial, at := range p.ports {
		p.net.listen(dial, false)
		at.cut()
	}
	for at := range p.leaving {
		at.cut()
	}
	p.reset()
}

// Remove ends everything and takes the addresses from this node.
func (p *Plane) Remove(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
	var err error
	if p.ours, err = locals(); err != nil {
		return err
	}
	return p.prune()
}

// prune takes addresses from this node that no port has, also those that
// another process left.
func (p *Plane) prune() error {
	var failed []error
	for a := range p.ours {
		if p.uses[a] > 0 {
			continue
		}
		if err := dropLocal(a); err != nil {
			failed = append(failed, err)
			continue
		}
		delete(p.ours, a)
	}
	return errors.Join(failed...)
}

// Sync makes the ports exactly these.
func (p *Plane) Sync(ctx context.Context, state proxy.State) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, err := ownAddresses()
	if err != nil {
		return nil, err
	}
	if p.ours, err = locals(); err != nil { // somebody may have taken one away
		return nil, err
	}
	p.net.set(state.Inside, own)
	p.others = map[netip.Addr]struct{}{}
	for _, a := range state.Others {
		p.others[a] = struct{}{}
	}
	wanted := map[types.NamespacedName]struct{}{}
	for i := range state.Services {
		wanted[state.Services[i].Service] = struct{}{}
	}
	for name := range p.told {
		if _, ok := wanted[name]; !ok {
			p.forget(name, nil)
		}
	}
	failures := p.set(ctx, state.Services)
	return failures, p.prune()
}

// Set makes the ports of these Services what they should be.
func (p *Plane) Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set(ctx, changed), nil
}

func (p *Plane) set(ctx context.Context, changed []proxy.Rules) proxy.Failures {
	for i := range changed { // first what goes: another may want the address
		keep := map[proxy.Dial]struct{}{}
		for j := range changed[i].Frontends {
			keep[changed[i].Frontends[j].Dial] = struct{}{}
		}
		p.forget(changed[i].Service, keep)
	}
	failures := proxy.Failures{}
	for i := range changed {
		if err := p.setOne(ctx, &changed[i]); err != nil {
			failures[changed[i].Service] = err
		}
	}
	return failures
}

// forget closes a Service's ports save those to keep.
func (p *Plane) forget(service types.NamespacedName, keep map[proxy.Dial]struct{}) {
	var left []proxy.Dial
	for _, dial := range p.told[service] {
		if _, ok := keep[dial]; ok {
			left = append(left, dial)
			continue
		}
		p.close(p.ports[dial])
		if err := p.disown(p.ports[dial]); err != nil {
			p.cfg.Logger.Warn("an address stays on this node for now", "error", err)
		}
		delete(p.ports, dial)
	}
	if p.told[service] = left; len(left) == 0 {
		delete(p.told, service)
	}
}

func (p *Plane) setOne(ctx context.Context, rules *proxy.Rules) error {
	var failed []error
	dials := make([]proxy.Dial, 0, len(rules.Frontends))
	for i := range rules.Frontends {
		f := &rules.Frontends[i]
		dials = append(dials, f.Dial)
		at := p.ports[f.Dial]
		if at == nil {
			at = &port{front: newFront(f, &p.net)}
			p.ports[f.Dial] = at
		}
		at.set(f)
		if err := p.fit(ctx, at, f); err != nil {
			failed = append(failed, err)
		}
	}
	if len(dials) > 0 {
		p.told[rules.Service] = dials
	}
	return errors.Join(failed...)
}
