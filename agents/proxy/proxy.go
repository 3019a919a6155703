package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
)

// Config of a Proxy.
type Config struct {
	// Catalog that is followed.
	Catalog *catalog.Catalog
	// Plane that moves the traffic.
	Plane Plane
	// Node answers what this node is now; it is asked every LookEvery, and when
	// Moved says so.
	Node  func() Node
	Moved <-chan struct{}
	// SyncEvery is how often everything is compared with what is there, 5
	// minutes by default.
	SyncEvery time.Duration
	// LookEvery is how often the node's addresses are looked at, 10 seconds by
	// default.
	LookEvery time.Duration
	// Told hears that the plane does what it is told, or what keeps it from doing
	// so again and again; nil is nobody.
	Told   func(error)
	Logger *slog.Logger
}

const (
	syncEvery = 5 * time.Minute
	lookEvery = 10 * time.Second

	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second

	// doubtAfter attempts at one Service everything is compared, once; and after
	// as many at everything somebody is told.
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
	if cfg.Told == nil {
		cfg.Told = func(error) {}
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
	// The plane ends after it was told the last time, or what it was told then would
	// stay with nobody to end it.
	moving, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		if err := p.cfg.Plane.Run(moving); err != nil && moving.Err() == nil {
			return fmt.Errorf("run the data plane: %w", err)
		}
		return ctx.Err()
	})
	group.Go(func() error {
		defer stop()
		return p.follow(ctx)
	})
	return group.Wait()
}

func (p *Proxy) follow(ctx context.Context) error {
	follower := p.cfg.Catalog.Follow()
	defer follower.Close()
	r := &round{
		cfg: p.cfg, node: p.cfg.Node(), book: newBook(), health: newHealth(p.cfg.Logger),
		dirty: map[types.NamespacedName]struct{}{}, retries: map[types.NamespacedName]retry{}, flaws: map[types.NamespacedName]flaw{},
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
		case <-p.cfg.Moved:
			r.look()
		case <-timer.C:
		}
		timer.Stop()
	}
}
