package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/agents/wait"
)

// Config of a Proxy.
type Config struct {
	// Catalog that is followed.
	Catalog *catalog.Catalog
	// Plane that moves the traffic.
	Plane Plane
	// Node answers what this node is now; it is asked every LookEvery.
	Node func() Node
	// SyncEvery is how often everything is compared with what is there, 5
	// minutes by default.
	SyncEvery time.Duration
	// LookEvery is how often the node's addresses are looked at, 10 seconds by
	// default.
	LookEvery time.Duration
	Logger    *slog.Logger
}

const (
	syncEvery = 5 * time.Minute
	lookEvery = 10 * time.Second

	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second

	// doubtAfter attempts at one Service everything is compared, once.
	doubtAfter = 3
)

// Proxy follows a catalog and tells a plane.
type Proxy struct{ cfg Config }

// New answers a proxy that does nothing before Run.
func New(cfg Config) (*Proxy, error) {
	if cfg.Catalog == nil || cfg.Plane == nil || cfg.Node == nil {
		return nil, errors.New("a service proxy needs a catalog, a plane and a node")
	}
	if cfg.SyncEvery <= 0 {
		cfg.SyncEvery = syncEvery
	}
	if cfg.LookEvery <= 0 {
		cfg.LookEvery = lookEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Proxy{cfg: cfg}, nil
}

// Run keeps the plane as the catalog says until ctx ends. What the plane put
// into the kernel stays there.
func (p *Proxy) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := p.cfg.Plane.Run(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("run the data plane: %w", err)
		}
		return ctx.Err()
	})
	group.Go(func() error { return p.follow(ctx) })
	return group.Wait()
}

func (p *Proxy) follow(ctx context.Context) error {
	follower := p.cfg.Catalog.Follow()
	defer follower.Close()
	r := &round{
		cfg: p.cfg, node: p.cfg.Node(), book: newBook(), health: newHealth(p.cfg.Logger),
		dirty: map[types.NamespacedName]struct{}{}, retries: map[types.NamespacedName]retry{}, flaws: map[types.NamespacedName]string{},
	}
	defer r.health.close()
	look := time.NewTicker(p.cfg.LookEvery)
	defer look.Stop()
	r.plan(follower.Take())
	for {
		r.tell(ctx)
		timer := time.NewTimer(time.Until(r.next()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-follower.Changed():
			r.plan(follower.Take())
		case <-look.C:
			r.look()
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round is what a running proxy knows.
type round struct {
	cfg     Config
	node    Node
	book    *book
	health  *health
	dirty   map[types.NamespacedName]struct{} // to be told
	retries map[types.NamespacedName]retry
	flaws   map[types.NamespacedName]string // what was said of each, so that it is said once

	syncAt     time.Time // when everything is compared next
	syncFailed int       // times in a row
}

// retry is when a Service that failed is told again.
type retry struct {
	failed int // times in a row
	at     time.Time
}

// look plans everything anew when the node is another.
func (r *round) look() {
	node := r.cfg.Node()
	if node.Equal(r.node) {
		return
	}
	r.node, r.syncAt = node, time.Time{}
	r.plan(r.cfg.Catalog.Names())
}

func (r *round) plan(names []types.NamespacedName) {
	for _, name := range names {
		rules, since := Rules{Service: name}, time.Time{}
		var flaw error
		if service, ok := r.cfg.Catalog.Get(name); ok {
			// What an object says of its own name is not what it was sent under.
			rules, flaw = Plan(service, r.node)
			rules.Service, since = name, service.CreationTimestamp.Time
		}
		for _, touched := range r.book.put(rules, since) {
			r.dirty[touched] = struct{}{}
		}
		_, taken := r.book.rules(name)
		r.say(name, errors.Join(flaw, taken))
	}
}

// say logs a flaw once.
func (r *round) say(name types.NamespacedName, flaw error) {
	if flaw == nil {
		delete(r.flaws, name)
	} else if text := flaw.Error(); r.flaws[name] != text {
		r.flaws[name] = text
		r.cfg.Logger.Warn("a Service is served in part", "service", name, "error", flaw)
	}
}

// tell brings what changed, or everything when its time has come, to the plane.
func (r *round) tell(ctx context.Context) {
	now := time.Now()
	for name, again := range r.retries {
		if !again.at.After(now) {
			r.dirty[name] = struct{}{}
		}
	}
	if !r.syncAt.After(now) {
		r.sync(ctx)
		return
	}
	if len(r.dirty) == 0 || r.syncFailed > 0 {
		return // after a failed sync only a sync helps
	}
	changed := make([]Rules, 0, len(r.dirty))
	for name := range r.dirty {
		rules, _ := r.book.rules(name)
		changed = append(changed, rules)
	}
	slices.SortFunc(changed, func(a, b Rules) int { return byName(a.Service, b.Service) })
	failures, err := r.cfg.Plane.Set(ctx, changed)
	if err != nil {
		r.failed(ctx, fmt.Errorf("tell the data plane of %d Services: %w", len(changed), err))
		return
	}
	r.settle(ctx, changed, failures)
}

func (r *round) sync(ctx context.Context) {
	state := r.book.state(r.node)
	failures, err := r.cfg.Plane.Sync(ctx, state)
	if err != nil {
		r.failed(ctx, fmt.Errorf("bring %d Services to the data plane: %w", len(state.Services), err))
		return
	}
	r.syncAt, r.syncFailed = time.Now().Add(r.cfg.SyncEvery), 0
	told := state.Services
	for name := range r.dirty { // those that are no more, or only have health checks
		if rules, _ := r.book.rules(name); len(rules.Frontends) == 0 {
			told = append(told, rules)
		}
	}
	r.settle(ctx, told, failures)
}

// failed plans the next attempt, at everything: nobody knows what is there.
func (r *round) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.cfg.Logger.Error("Services may not work on this node", "error", err, "attempt", r.syncFailed+1)
	r.syncAt = time.Now().Add(wait.Spread(firstRetry, lastRetry, r.syncFailed))
	r.syncFailed++
}

// settle notes what was done and what is to be tried again.
func (r *round) settle(ctx context.Context, told []Rules, failures Failures) {
	all := Failures{}
	for i := range told {
		name := told[i].Service
		if err := failures[name]; err != nil {
			all.add(name, err)
		}
		if err := r.health.set(ctx, name, told[i].Health); err != nil {
			all.add(name, err)
		}
		delete(r.dirty, name)
		if all[name] == nil {
			delete(r.retries, name)
			continue
		}
		before := r.retries[name].failed
		r.retries[name] = retry{before + 1, time.Now().Add(wait.Spread(firstRetry, lastRetry, before))}
		r.cfg.Logger.Warn("a Service does not work on this node", "service", name, "error", all[name], "attempt", before+1)
		if failures[name] != nil && before+1 == doubtAfter {
			r.syncAt = time.Time{} // perhaps what is there is not what the plane believes
		}
	}
}

// next is when something is due.
func (r *round) next() time.Time {
	next := r.syncAt
	if r.syncFailed > 0 {
		return next
	}
	for _, again := range r.retries {
		if again.at.Before(next) {
			next = again.at
		}
	}
	return next
}
