package tables

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	nft "github.com/google/nftables"

	"segno/agents/policy"
)

// Change brings the tables from the plan as it was written last to what it is
// now, in one transaction that has only what was touched.
func (t *Tables) Change(p *policy.Plan, touched *policy.Touched) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.have.known {
		return errors.New("nftables: it is not known what the tables of policies have")
	}
	t.have.known = false
	b := &batch{conn: t.conn}
	for i := range t.families {
		f := &t.families[i]
		t.grow(b, f, p, touched)
		t.move(b, f, p, touched)
		t.shrink(b, f, p, touched)
	}
	if err := b.flush(); err != nil {
		return fmt.Errorf("change the tables %s: %w", t.name, err)
	}
	t.have.take(p, touched)
	return nil
}

// grow makes sets and chains that are new, and what is in them.
func (t *Tables) grow(b *batch, f *family, p *policy.Plan, touched *policy.Touched) {
	for name := range touched.Chains {
		if _, wanted := p.Chains[name]; wanted {
			t.conn.AddChain(&nft.Chain{Name: name, Table: f.table})
		}
	}
	for name, elements := range touched.Sets {
		want, wanted := p.Sets[name]
		have, there := t.have.sets[name]
		switch {
		case wanted && !there:
			b.make(f.set(name, want), f.all(want)...)
		case wanted:
			f.exchange(b, name, have, want, elements)
		}
	}
	for name := range touched.Blocks {
		_, there := t.have.blocks[name]
		if ranges, wanted := p.Blocks[name]; wanted && !there {
			b.make(f.blocks(name), f.intervals(ranges)...)
		}
	}
	for name := range touched.Chains {
		if _, wanted := p.Chains[name]; !wanted {
			continue
		}
		if _, there := t.have.chains[name]; there {
			t.conn.FlushChain(&nft.Chain{Name: name, Table: f.table})
		}
		b.chain(f, p, name)
	}
}

// exchange changes elements of a set.
func (f *family) exchange(b *batch, name string, have, want policy.Set, touched map[policy.Element]struct{}) {
	var fresh, gone []nft.SetElement
	for e := range touched {
		if !f.has(e.Address) {
			continue
		}
		_, is := have.Elements[e]
		_, should := want.Elements[e]
		switch {
		case should && !is:
			fresh = append(fresh, f.element(want, e))
		case is && !should:
			gone = append(gone, f.element(want, e))
		}
	}
	b.remove(f.set(name, want), gone)
	b.add(f.set(name, want), fresh)
}

// move leads addresses to other chains.
func (t *Tables) move(b *batch, f *family, p *policy.Plan, touched *policy.Touched) {
	seen := map[netip.Addr]bool{}
	for d := range policy.Direction(2) {
		var fresh, gone []nft.SetElement
		for a := range touched.Isolated[d] {
			if !f.has(a) {
				continue
			}
			seen[a] = true
			was, is := t.have.isolated[d][a], p.Isolated[d][a]
			if was == is {
				continue
			}
			if was != "" {
				gone = append(gone, nft.SetElement{Key: a.AsSlice(), VerdictData: isolation(a, was).VerdictData})
			}
			if is != "" {
				fresh = append(fresh, isolation(a, is))
			}
		}
		b.remove(f.isolated(d), gone)
		b.add(f.isolated(d), fresh)
	}
	for a := range seen {
		was := t.have.isolated[policy.Ingress][a]+t.have.isolated[policy.Egress][a] != ""
		is := p.Isolated[policy.Ingress][a]+p.Isolated[policy.Egress][a] != ""
		switch {
		case is && !was:
			b.add(f.self(), []nft.SetElement{oneself(a)})
		case was && !is:
			b.remove(f.self(), []nft.SetElement{oneself(a)})
		}
	}
}

// shrink removes what nothing leads to any more: all rules first, then what they
// led to.
func (t *Tables) shrink(b *batch, f *family, p *policy.Plan, touched *policy.Touched) {
	gone := func(name string) bool {
		_, wanted := p.Chains[name]
		_, there := t.have.chains[name]
		return there && !wanted
	}
	for name := range touched.Chains {
		if gone(name) {
			t.conn.FlushChain(&nft.Chain{Name: name, Table: f.table})
		}
	}
	for name := range touched.Chains {
		if gone(name) {
			t.conn.DelChain(&nft.Chain{Name: name, Table: f.table})
		}
	}
	for name := range touched.Sets {
		_, wanted := p.Sets[name]
		if have, there := t.have.sets[name]; there && !wanted {
			t.conn.DelSet(f.set(name, have))
		}
	}
	for name := range touched.Blocks {
		_, wanted := p.Blocks[name]
		if _, there := t.have.blocks[name]; there && !wanted {
			t.conn.DelSet(f.blocks(name))
		}
	}
}

func copied(p *policy.Plan) written {
	w := written{
		known: true, isolated: [2]map[netip.Addr]string{maps.Clone(p.Isolated[0]), maps.Clone(p.Isolated[1])},
		chains: maps.Clone(p.Chains), sets: map[string]policy.Set{}, blocks: maps.Clone(p.Blocks),
	}
	for name, set := range p.Sets {
		set.Elements = maps.Clone(set.Elements)
		w.sets[name] = set
	}
	return w
}

// take notes what was written.
func (w *written) take(p *policy.Plan, touched *policy.Touched) {
	w.known = true
	for d := range touched.Isolated {
		follow(w.isolated[d], p.Isolated[d], touched.Isolated[d])
	}
	follow(w.chains, p.Chains, touched.Chains)
	follow(w.blocks, p.Blocks, touched.Blocks)
	for name, elements := range touched.Sets {
		want, wanted := p.Sets[name]
		have, there := w.sets[name]
		switch {
		case !wanted:
			delete(w.sets, name)
		case !there:
			want.Elements = maps.Clone(want.Elements)
			w.sets[name] = want
		default:
			follow(have.Elements, want.Elements, elements)
		}
	}
}

// follow brings the touched keys of a map to what they are in another.
func follow[K comparable, V any](have, want map[K]V, touched map[K]struct{}) {
	for key := range touched {
		if value, wanted := want[key]; wanted {
			have[key] = value
		} else {
			delete(have, key)
		}
	}
}
