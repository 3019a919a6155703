package nftables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	nft "github.com/google/nftables"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
	"segno/agents/proxy/flows"
)

// Config of a Plane.
type Config struct {
	// Table is the name of the plane's tables, "segno" by default. Whatever is
	// in a table of this name is the plane's own.
	Table string
	// Guard makes it half a plane: it drops, refuses and masquerades as rules
	// say, for another one, such as IPVS, that moves the traffic.
	Guard  bool
	Logger *slog.Logger
}

// Plane keeps the tables.
type Plane struct {
	cfg     Config
	conn    *nft.Conn
	flows   flows.Kernel
	layouts [2]layout

	mu      sync.Mutex
	told    map[types.NamespacedName]proxy.Rules // as the kernel has them
	classes map[class]struct{}                   // whose chains the kernel has
	shared  map[element]int                      // how many frontends need what Services share
	pods    []netip.Prefix
	refused map[types.NamespacedName]struct{} // Services that the kernel did not take
}

// New answers a plane in the network namespace of the caller's thread. It fails
// where the kernel has no nftables, or this process may not use them.
func New(cfg Config) (*Plane, error) {
	if cfg.Table == "" {
		cfg.Table = "segno"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	conn, err := nft.New(nft.AsLasting(), nft.WithSockOptions(roomy))
	if err != nil {
		return nil, fmt.Errorf("open a socket to nftables: %w", err)
	}
	p := &Plane{cfg: cfg, conn: conn, flows: flows.Kernel{Logger: cfg.Logger}, classes: map[class]struct{}{}, refused: map[types.NamespacedName]struct{}{}}
	for i, f := range families(cfg.Table) {
		p.layouts[i] = newLayout(f, cfg.Guard)
	}
	if _, err := conn.ListTables(); err != nil {
		return nil, errors.Join(fmt.Errorf("list the tables of nftables (the kernel needs CONFIG_NF_TABLES, this process CAP_NET_ADMIN): %w", err), conn.CloseLasting())
	}
	return p, nil
}

// Run waits until ctx ends: the kernel needs nobody. The tables stay.
func (p *Plane) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Remove deletes both tables.
func (p *Plane) Remove(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told, p.shared, p.classes = nil, nil, map[class]struct{}{}
	for i := range p.layouts {
		p.drop(i)
	}
	if err := p.conn.Flush(); err != nil {
		return fmt.Errorf("delete the tables %s: %w", p.cfg.Table, err)
	}
	return nil
}

// own are rules as far as they are this plane's: a guard makes no clients come
// back.
func (p *Plane) own(rules []proxy.Rules) []proxy.Rules {
	if !p.cfg.Guard {
		return rules
	}
	rules = slices.Clone(rules)
	for i := range rules {
		rules[i].Frontends = slices.Clone(rules[i].Frontends)
		for j := range rules[i].Frontends {
			rules[i].Frontends[j].Affinity = 0
		}
	}
	return rules
}

// endFlows ends flows of UDP, where no other plane does that.
func (p *Plane) endFlows(services []proxy.Rules) error {
	if p.cfg.Guard {
		return nil
	}
	return p.flows.End(services)
}

// drop deletes a table, there or not.
func (p *Plane) drop(family int) {
	p.conn.AddTable(p.layouts[family].table)
	p.conn.DelTable(p.layouts[family].table)
}

// Sync compares the tables with the state and changes what differs. If that is
// refused, it makes them anew, a Service at a time, to find out whose fault it is.
// Such a Service is tried apart from then on, so that all others stay as they are.
func (p *Plane) Sync(ctx context.Context, state proxy.State) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pods, state.Services = state.Inside, p.own(state.Services)
	sound, apart := p.divide(state.Services)
	if err := p.compare(sound); err != nil {
		p.cfg.Logger.Warn("the tables of Services are made anew", "table", p.cfg.Table, "error", err)
		if err := p.anew(); err != nil {
			return nil, err
		}
		apart = state.Services
	}
	p.refused = map[types.NamespacedName]struct{}{}
	failures, err := p.changeEach(ctx, apart)
	if err != nil {
		return nil, err
	}
	return failures, errors.Join(p.endFlows(state.Services), p.forgetAllBut(state.Services))
}

// divide tells Services apart that the kernel did not take the last time.
func (p *Plane) divide(services []proxy.Rules) (sound, apart []proxy.Rules) {
	for i := range services {
		if _, refused := p.refused[services[i].Service]; refused {
			apart = append(apart, services[i])
		} else {
			sound = append(sound, services[i])
		}
	}
	return sound, apart
}

// compare brings the kernel from what it has to these Services, and no others.
func (p *Plane) compare(services []proxy.Rules) error {
	have, err := p.read()
	if err != nil {
		return err
	}
	told, want, classes, shared := map[types.NamespacedName]proxy.Rules{}, elements{}, map[class]struct{}{}, map[element]int{}
	b := &batch{conn: p.conn}
	for i := range p.layouts {
		if have.foreign[i] {
			p.drop(i)
		}
		if err := p.layouts[i].declare(b); err != nil {
			return err
		}
	}
	chains := map[own]struct{}{}
	for i := range services {
		rules := &services[i]
		told[rules.Service] = *rules
		want.add(rules, classes, p.cfg.Guard)
		p.count(shared, rules, 1)
		for j := range rules.Frontends {
			ownOf(&rules.Frontends[j], func(o own, fill func(*layout, *batch, string)) {
				chains[o] = struct{}{}
				p.make(b, o, fill)
				b.breathe()
			})
		}
	}
	for e := range shared {
		want[e] = ""
	}
	for i := range p.layouts { // with what the classes need, in one transaction
		if err := p.layouts[i].base(b, podsOf(p.pods, i)); err != nil {
			return err
		}
		for c := range classes {
			p.layouts[i].class(b, c)
		}
	}
	b.apply(&p.layouts, have.elements, want)
	p.prune(b, have, classes, chains)
	if b.flush(); b.err != nil {
		return fmt.Errorf("bring the tables %s up to date: %w", p.cfg.Table, b.err)
	}
	p.told, p.classes, p.shared = told, classes, shared
	return nil
}

// make makes a chain of a frontend's own, and what leads there.
func (p *Plane) make(b *batch, o own, fill func(*layout, *batch, string)) {
	l := &p.layouts[o.family]
	l.chain(b, nft.Chain{Name: o.chain()})
	fill(l, b, o.chain())
	b.add(l.sets[o.of], o.element())
}

// prune removes what leads to chains that no Service needs, and the chains.
func (p *Plane) prune(b *batch, have *kernel, classes map[class]struct{}, chains map[own]struct{}) {
	var keys, names [2]map[string]struct{}
	for i := range p.layouts {
		keys[i], names[i] = map[string]struct{}{}, map[string]struct{}{}
		for c := range classes {
			names[i][c.chain()] = struct{}{}
		}
	}
	for o := range chains {
		keys[o.family][o.of+string(dialBytes(o.dial))], names[o.family][o.chain()] = struct{}{}, struct{}{}
	}
	for i := range p.layouts {
		l := &p.layouts[i]
		for _, v := range have.verdicts[i] {
			if _, wanted := keys[i][v.in+string(v.key)]; !wanted {
				b.remove(l.sets[v.in], nft.SetElement{Key: v.key})
				b.weighs()
				b.breathe()
			}
		}
		for _, name := range have.chains[i] {
			_, wanted := names[i][name]
			if !wanted && (strings.HasPrefix(name, classPrefix) || owned(name)) {
				p.conn.DelChain(&nft.Chain{Name: name, Table: l.table})
				b.weighs()
				b.breathe()
			}
		}
	}
}

// anew makes empty tables.
func (p *Plane) anew() error {
	p.told, p.classes, p.shared = map[types.NamespacedName]proxy.Rules{}, map[class]struct{}{}, map[element]int{}
	b := &batch{conn: p.conn}
	for i := range p.layouts {
		p.drop(i)
		if err := p.layouts[i].base(b, podsOf(p.pods, i)); err != nil {
			return err
		}
	}
	if b.flush(); b.err != nil {
		return fmt.Errorf("make the tables %s: %w", p.cfg.Table, b.err)
	}
	return nil
}
