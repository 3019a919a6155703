package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
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
	at     map[netip.Addr]map[int]bool // on which links each duty is, by index
	own    map[string]bool             // hardware addresses of this machine
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
		ports: map[place]*port{}, said: map[string]bool{}, duties: duties{},
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
	a.roll.among = candidates(nodes)
	for lookAt := (time.Time{}); ; {
		if now := time.Now(); a.take(follower.Take()) || !now.Before(lookAt) {
			a.look(ctx, &readers, broken)
			lookAt = now.Add(lookEvery)
		}
		a.announceDue(ctx)
		timer := time.NewTimer(time.Until(a.next(lookAt)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-follower.Changed():
		case <-moved:
			nodes, moved = a.cfg.Catalog.Nodes()
			a.roll.among = candidates(nodes)
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

// take reads Services that changed, and tells whether any can matter.
func (a *Announcer) take(names []types.NamespacedName) (matters bool) {
	for _, name := range names {
		service, there := a.cfg.Catalog.Get(name)
		matters = a.roll.put(name, service, there) || matters
	}
	return matters
}

// look brings duties and ports in line with the catalog and the machine's links.
func (a *Announcer) look(ctx context.Context, readers *sync.WaitGroup, broken chan *port) {
	everywhere := a.roll.all()
	mine := a.roll.mine()
	var links []link
	if len(everywhere) > 0 {
		err := a.in(func() (err error) { links, err = linksOf(a.cfg.Address); return err })
		if a.say(err); err != nil {
			return // with what there is
		}
		a.say(a.in(func() error { return quietenAll(links, slices.Collect(maps.Keys(everywhere))) }))
	}
	at := map[netip.Addr]map[int]bool{}
	needed := map[place][]netip.Addr{}
	byIndex := map[int]link{}
	for _, address := range mine {
		at[address] = map[int]bool{}
		for _, l := range homes(links, address) {
			at[address][l.index], byIndex[l.index] = true, l
			needed[place{l.index, address.Is6()}] = append(needed[place{l.index, address.Is6()}], address)
		}
	}
	a.setDuties(mine, at, links)
	a.setPorts(ctx, needed, byIndex, readers, broken)
}

func quietenAll(links []link, addresses []netip.Addr) error {
	var failed []error
	for _, address := range addresses {
		for _, l := range homes(links, address) {
			failed = append(failed, quieten(l, address))
		}
	}
	return errors.Join(failed...)
}

func (a *Announcer) setDuties(mine []netip.Addr, at map[netip.Addr]map[int]bool, links []link) {
	own := map[string]bool{}
	for _, l := range links {
		own[l.hardware.String()] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	taken, left := a.duties.set(mine, time.Now())
	a.at, a.own = at, own
	if len(taken) > 0 {
		a.cfg.Logger.Info("this node announces load balancer addresses", "addresses", texts(taken))
	}
	if len(left) > 0 {
		a.cfg.Logger.Info("this node announces load balancer addresses no more", "addresses", texts(left))
	}
	for _, address := range mine {
		if len(at[address]) == 0 {
			a.say(fmt.Errorf("no interface of this node has a network of the load balancer address %s", address))
		}
	}
}

// setPorts opens and closes what is listened at.
func (a *Announcer) setPorts(ctx context.Context, needed map[place][]netip.Addr, links map[int]link, readers *sync.WaitGroup, broken chan *port) {
	for where, p := range a.ports {
		if is, there := links[where.index]; len(needed[where]) == 0 || !there || is.hardware.String() != p.hardware.String() || is.local != p.local {
			a.drop(p)
		}
	}
	for where, addresses := range needed {
		p := a.ports[where]
		if p == nil {
			if where.v6 && !links[where.index].local.IsValid() {
				a.say(fmt.Errorf("announce %s: the interface %s has no address of IPv6", texts(addresses), links[where.index].name))
				continue
			}
			err := a.in(func() (err error) { p, err = openPort(links[where.index], where.v6); return err })
			if a.say(err); err != nil {
				continue
			}
			a.ports[where] = p
			readers.Go(func() {
				_ = a.listen(ctx, p) // it is told by what it cannot do afterwards
				select {
				case broken <- p:
				case <-ctx.Done():
				}
			})
		}
		a.say(p.join(addresses))
	}
}

// drop closes a port; the next look opens it again if it is needed.
func (a *Announcer) drop(p *port) {
	where := place{p.index, p.v6}
	if a.ports[where] == p {
		delete(a.ports, where)
		p.close()
	}
}

func (a *Announcer) closePorts() {
	for _, p := range a.ports {
		a.drop(p)
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
	if next := a.duties.next(); !next.IsZero() && next.Before(lookAt) {
		return next
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

func texts(addresses []netip.Addr) string {
	all := make([]string, len(addresses))
	for i, address := range addresses {
		all[i] = address.String()
	}
	return strings.Join(all, ",")
}
