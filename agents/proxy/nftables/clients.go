package nftables

import (
	"errors"
	"fmt"
	"slices"

	nft "github.com/google/nftables"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// places are backends of frontends that clients come back to, as the keys of the
// set of clients end: dial and number.
type places [2]map[string]struct{}

// add puts in all places of a Service.
func (p *places) add(rules *proxy.Rules) {
	for i := range rules.Frontends {
		f := &rules.Frontends[i]
		if f.Affinity == 0 {
			continue
		}
		at := of(f.Dial.Address)
		if p[at] == nil {
			p[at] = map[string]struct{}{}
		}
		for _, c := range []proxy.Choice{f.Inside, f.Outside} {
			for _, b := range c.Backends {
				p[at][string(slices.Concat(dialBytes(f.Dial), word(numberOf(b))))] = struct{}{}
			}
		}
	}
}

// left are the places that Services had and have no more.
func (p *Plane) left(changed []proxy.Rules) places {
	var before, after places
	for i := range changed {
		was := p.told[changed[i].Service]
		before.add(&was)
		after.add(&changed[i])
	}
	for i := range before {
		for place := range after[i] {
			delete(before[i], place)
		}
	}
	return before
}

// forget makes the kernel forget clients at some places: when a backend comes
// back, they may be with another one.
func (p *Plane) forget(family int, which func(place string) bool) error {
	l := &p.layouts[family]
	s := l.sets[setClients]
	all, err := p.conn.GetSetElements(s)
	if err != nil {
		return fmt.Errorf("list the clients of table %s: %w", p.cfg.Table, err)
	}
	for _, e := range all {
		if !which(string(e.Key[4*l.words:])) {
			continue
		}
		// One by one: each may have expired by itself in the meantime.
		err := p.conn.SetDeleteElements(s, []nft.SetElement{{Key: e.Key}})
		if err == nil {
			err = p.conn.Flush()
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("forget clients of a backend that is gone: %w", err)
		}
	}
	return nil
}

// forgetLeft forgets clients at places that are no more.
func (p *Plane) forgetLeft(left places) error {
	for i := range left {
		if len(left[i]) == 0 {
			continue
		}
		if err := p.forget(i, func(place string) bool { _, gone := left[i][place]; return gone }); err != nil {
			return err
		}
	}
	return nil
}

// forgetAllBut forgets clients anywhere else.
func (p *Plane) forgetAllBut(services []proxy.Rules) error {
	var known places
	for i := range services {
		known.add(&services[i])
	}
	for i := range known {
		if err := p.forget(i, func(place string) bool { _, there := known[i][place]; return !there }); err != nil {
			return err
		}
	}
	return nil
}
