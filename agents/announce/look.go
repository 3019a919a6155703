package announce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"segno/agents/network"
)

// look brings duties and ports in line with the catalog and the machine's links.
func (a *Announcer) look(ctx context.Context, readers *sync.WaitGroup, broken chan *port) {
	everywhere := a.roll.all()
	mine := a.roll.mine()
	var links []link
	if len(everywhere) > 0 {
		var gateways []netip.Addr
		err := a.in(func() (err error) {
			links, err = linksOf(a.cfg.Address)
			if err == nil {
				gateways, err = network.Gateways()
			}
			return err
		})
		if a.say(err); err != nil {
			return // with what there is
		}
		mine = a.unclaimed(mine, gateways)
		a.say(a.in(func() error { return quietenAll(links, slices.Collect(maps.Keys(everywhere))) }))
	}
	spots := map[spot]bool{}
	needed := map[place][]netip.Addr{}
	byIndex := map[int]link{}
	for _, address := range mine {
		on := homes(links, address)
		if len(on) == 0 {
			a.say(fmt.Errorf("no interface of this node has a network of the load balancer address %s", address))
		}
		for _, l := range on {
			spots[spot{address, l.index}], byIndex[l.index] = true, l
			needed[place{l.index, address.Is6()}] = append(needed[place{l.index, address.Is6()}], address)
		}
	}
	a.setSpots(spots, links)
	a.setPorts(ctx, needed, byIndex, readers, broken)
}

// unclaimed leaves out what nodes have themselves, and gateways, of this node and
// of others: whoever announced one would cut them off.
func (a *Announcer) unclaimed(addresses, gateways []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(addresses, func(address netip.Addr) bool {
		if !a.roll.taken[address] && !slices.Contains(gateways, address) {
			return false
		}
		a.say(fmt.Errorf("a Service has the load balancer address %s, which is a node's own or a gateway's: it is not announced; take it out of the pool", address))
		return true
	})
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

func (a *Announcer) setSpots(spots map[spot]bool, links []link) {
	own := map[string]bool{}
	for _, l := range links {
		own[l.hardware.String()] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own = own
	a.trials.set(spots, time.Now())
	a.setDuties()
}

// setDuties makes duties of the addresses that are free; a.mu is held.
func (a *Announcer) setDuties() {
	at := map[netip.Addr]map[int]bool{}
	for where := range a.trials {
		if !a.trials.isFree(where) {
			continue
		}
		if at[where.address] == nil {
			at[where.address] = map[int]bool{}
		}
		at[where.address][where.index] = true
	}
	a.at = at
	taken, left := a.duties.set(slices.SortedFunc(maps.Keys(at), netip.Addr.Compare), time.Now())
	if len(taken) > 0 {
		a.cfg.Logger.Info("this node announces load balancer addresses", "addresses", texts(taken))
	}
	if len(left) > 0 {
		a.cfg.Logger.Info("this node announces load balancer addresses no more", "addresses", texts(left))
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

func texts(addresses []netip.Addr) string {
	all := make([]string, len(addresses))
	for i, address := range addresses {
		all[i] = address.String()
	}
	return strings.Join(all, ",")
}
