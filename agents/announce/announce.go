package announce

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/proto"
)

// Config of an Announcer. Catalog and Node are required.
type Config struct {
	Catalog *catalog.Catalog
	// Node is this node's name.
	Node string
	// Address is the node's own. Its link announces addresses that are in no link's
	// network.
	Address netip.Addr
	// InTouch tells whether the control plane was heard of lately: what the catalog
	// says is then what all nodes know. nil is always.
	InTouch func() bool
	Logger  *slog.Logger
}

const (
	// lookEvery is how often the machine's links are looked at.
	lookEvery = 10 * time.Second
	// patience is how long the control plane is waited for at the start: what is
	// known from before may be old.
	patience = 15 * time.Second
	// aMoment is how often that is looked at.
	aMoment = 100 * time.Millisecond
)

// Announcer announces what this node has to.
type Announcer struct {
	cfg   Config
	in    func(func() error) error // does something in the machine's network namespace
	roll  roll
	ports map[place]*port
	said  map[string]bool // problems that people know of

	mu     sync.Mutex
	duties duties
	trials trials                      // of addresses that are to be duties
	at     map[netip.Addr]map[int]bool // on which links each duty is, by index
	own    map[string]bool             // hardware addresses of this machine
	known  map[string]bool             // hardware addresses of all nodes that there were
}

// New answers an Announcer that does nothing before Run.
func New(cfg Config) (*Announcer, error) {
	if cfg.Catalog == nil || cfg.Node == "" {
		return nil, errors.New("announce.New: Catalog and Node are required")
	}
	if cfg.InTouch == nil {
		cfg.InTouch = func() bool { return true }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Announcer{
		cfg: cfg, in: func(what func() error) error { return what() },
		roll:  roll{self: cfg.Node, of: map[types.NamespacedName]entry{}},
		ports: map[place]*port{}, said: map[string]bool{}, duties: duties{}, trials: trials{}, known: map[string]bool{},
	}, nil
}

// Run announces until ctx ends, which is the only error. What it cannot do is
// told and tried again.
func (a *Announcer) Run(ctx context.Context) error {
	if err := a.wait(ctx); err != nil {
		return err
	}
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	follower := a.cfg.Catalog.Follow()
	defer follower.Close()
	defer a.closePorts()
	broken := make(chan *port) // whose link is gone
	nodes, moved := a.cfg.Catalog.Nodes()
	a.know(nodes)
	for lookAt := (time.Time{}); ; {
		if now := time.Now(); a.take(follower.Take()) || !now.Before(lookAt) {
			a.look(ctx, &readers, broken)
			lookAt = now.Add(lookEvery)
		}
		a.try(ctx)
		a.announceDue(ctx)
		timer := time.NewTimer(time.Until(a.next(lookAt)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-follower.Changed():
		case <-moved:
			nodes, moved = a.cfg.Catalog.Nodes()
			a.know(nodes)
			lookAt = time.Time{}
		case <-timer.C:
		case p := <-broken:
			a.drop(p)
		}
		timer.Stop()
	}
}

// wait gives the control plane time to tell what is new.
func (a *Announcer) wait(ctx context.Context) error {
	tick := time.NewTicker(aMoment)
	defer tick.Stop()
	for end := time.Now().Add(patience); !a.cfg.InTouch() && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// know takes the nodes as they are now.
func (a *Announcer) know(nodes []*corev1.Node) {
	a.roll.among, a.roll.taken = candidates(nodes), takenBy(nodes)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, node := range nodes { // one that is deleted may still announce, and gives way
		for text := range strings.SplitSeq(node.Annotations[proto.NodeHardware], ",") {
			if hardware, err := net.ParseMAC(text); err == nil {
				a.known[hardware.String()] = true
			}
		}
	}
}

// take reads Services that changed, and tells whether any can matter.
func (a *Announcer) take(names []types.NamespacedName) (matters bool) {
	for _, name := range names {
		service, there := a.cfg.Catalog.Get(name)
		matters = a.roll.put(name, service, there) || matters
	}
	return matters
}

// try asks for addresses that are not known to be free, and takes those up that
// turned out to be.
func (a *Announcer) try(ctx context.Context) {
	a.mu.Lock()
	probe, freed := a.trials.due(time.Now())
	if freed {
		a.setDuties()
	}
	a.mu.Unlock()
	for _, where := range probe {
		p := a.ports[place{where.index, where.address.Is6()}]
		sent := false
		if p != nil {
			err := p.probe(ctx, where.address)
			a.say(err)
			sent = err == nil
		}
		a.mu.Lock()
		a.trials.probed(where, sent, time.Now())
		a.mu.Unlock()
	}
}

// announceDue says what it is time for.
func (a *Announcer) announceDue(ctx context.Context) {
	a.mu.Lock()
	due := a.duties.due(time.Now(), a.cfg.InTouch())
	at := a.at
	a.mu.Unlock()
	for _, address := range due {
		for index := range at[address] {
			if p := a.ports[place{index, address.Is6()}]; p != nil {
				a.say(p.announce(ctx, address))
			}
		}
	}
}

// next is when something is due, at the latest when links are looked at.
func (a *Announcer) next(lookAt time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, next := range []time.Time{a.duties.next(), a.trials.next()} {
		if !next.IsZero() && next.Before(lookAt) {
			lookAt = next
		}
	}
	return lookAt
}

// mostSaid problems are remembered.
const mostSaid = 100

// say logs a problem once.
func (a *Announcer) say(err error) {
	if err == nil || a.said[err.Error()] {
		return
	}
	if len(a.said) >= mostSaid {
		clear(a.said)
	}
	a.said[err.Error()] = true
	a.cfg.Logger.Warn("load balancer addresses may not be found by neighbours; tried again every few seconds", "error", err)
}
