package nftables

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	nft "github.com/google/nftables"

	"segno/agents/proxy"
	"segno/agents/proxy/flows"
)

// Set changes the elements of these Services, in one transaction; if that is
// refused, in one each.
func (p *Plane) Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == nil {
		return nil, errors.New("nftables: nothing was synced yet")
	}
	changed = p.own(changed)
	touched, left := flows.Touched(p.told, changed), p.left(changed)
	var failures proxy.Failures
	if p.change(changed) != nil {
		var err error
		if failures, err = p.changeEach(ctx, changed); err != nil {
			return nil, err
		}
	}
	return failures, errors.Join(p.endFlows(touched), p.forgetLeft(left))
}

// changeEach changes Services in a transaction each, and notes which are refused.
func (p *Plane) changeEach(ctx context.Context, services []proxy.Rules) (proxy.Failures, error) {
	failures := proxy.Failures{}
	for i := range services {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := services[i].Service
		if err := p.change(services[i : i+1]); err != nil {
			failures[name], p.refused[name] = err, struct{}{}
		}
	}
	return failures, nil
}

// change brings the kernel from what these Services were to what they are.
func (p *Plane) change(changed []proxy.Rules) error {
	have, want, classes, shared := elements{}, elements{}, map[class]struct{}{}, map[element]int{}
	b := &batch{conn: p.conn}
	for i := range changed {
		before := p.told[changed[i].Service]
		have.add(&before, map[class]struct{}{}, p.cfg.Guard)
		want.add(&changed[i], classes, p.cfg.Guard)
		p.count(shared, &before, -1)
		p.count(shared, &changed[i], 1)
		p.chains(b, &before, &changed[i])
	}
	for e, more := range shared {
		if p.shared[e] > 0 {
			have[e] = ""
		}
		if p.shared[e]+more > 0 {
			want[e] = ""
		}
	}
	for c := range classes {
		if _, known := p.classes[c]; !known {
			for i := range p.layouts {
				p.layouts[i].class(b, c)
			}
		}
	}
	b.apply(&p.layouts, have, want)
	if b.flush(); b.err != nil {
		return fmt.Errorf("change %d Services in the tables %s: %w", len(changed), p.cfg.Table, b.err)
	}
	p.changed(changed, classes, shared)
	return nil
}

// changed notes what the kernel has now.
func (p *Plane) changed(changed []proxy.Rules, classes map[class]struct{}, shared map[element]int) {
	for i := range changed {
		delete(p.refused, changed[i].Service)
		if len(changed[i].Frontends) == 0 {
			delete(p.told, changed[i].Service)
		} else {
			p.told[changed[i].Service] = changed[i]
		}
	}
	for c := range classes {
		p.classes[c] = struct{}{}
	}
	for e, more := range shared {
		if p.shared[e] += more; p.shared[e] == 0 {
			delete(p.shared, e)
		}
	}
}

// chains makes the chains that frontends have for themselves, and removes those
// that are no more.
func (p *Plane) chains(b *batch, before, after *proxy.Rules) {
	was, is := map[own]*proxy.Frontend{}, map[own]struct{}{}
	for i := range before.Frontends {
		f := &before.Frontends[i]
		ownOf(f, func(o own, _ func(*layout, *batch, string)) { was[o] = f })
	}
	for i := range after.Frontends {
		f := &after.Frontends[i]
		ownOf(f, func(o own, fill func(*layout, *batch, string)) {
			is[o] = struct{}{}
			if old := was[o]; old == nil || !old.Equal(f) {
				p.make(b, o, fill)
			}
		})
	}
	for o := range was {
		if _, still := is[o]; !still {
			l := &p.layouts[o.family]
			b.remove(l.sets[o.of], o.element())
			p.conn.DelChain(&nft.Chain{Name: o.chain(), Table: l.table})
		}
	}
}

// count counts the frontends that lead to each backend on this node, and those
// of each cluster IP. With a guard the addresses are the node's own, which
// refuses by itself.
func (p *Plane) count(shared map[element]int, rules *proxy.Rules, by int) {
	for i := range rules.Frontends {
		f := &rules.Frontends[i]
		for _, b := range f.Inside.Backends {
			a := b.Address.Addr()
			if b.Local || slices.ContainsFunc(p.pods, func(p netip.Prefix) bool { return p.Contains(a) }) {
				shared[hairpin(a)] += by
			}
		}
		if f.Kind == proxy.ClusterIP && !p.cfg.Guard {
			shared[element{uint8(of(f.Dial.Address)), clusterIPs, string(bytesOf(f.Dial.Address))}] += by
		}
	}
}

func hairpin(a netip.Addr) element {
	return element{uint8(of(a)), hairpins, string(slices.Concat(bytesOf(a), bytesOf(a)))}
}

// podsOf are the ranges of a family.
func podsOf(all []netip.Prefix, family int) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range all {
		if of(p.Addr()) == family {
			out = append(out, p)
		}
	}
	return out
}
