package userspace

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"segno/agents/proxy"
)

const (
	// mostSticky clients are remembered by one frontend.
	mostSticky = 1 << 16
	// avoidFor is how long a backend that did not answer is tried last.
	avoidFor = 5 * time.Second
)

// front chooses backends for one frontend.
type front struct {
	mu     sync.Mutex
	rules  proxy.Frontend
	net    *surroundings
	turn   int
	sticky map[netip.Addr]stuck
	avoid  map[netip.AddrPort]time.Time // until when
}

type stuck struct {
	to    netip.AddrPort
	until time.Time
}

func newFront(rules *proxy.Frontend, net *surroundings) *front {
	return &front{rules: *rules, net: net, turn: rand.IntN(1 << 16)}
}

func (f *front) set(rules *proxy.Frontend) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = *rules
	if rules.Affinity == 0 {
		f.sticky = nil
	}
	for b := range f.avoid { // one that comes back is a new one
		is := func(o proxy.Backend) bool { return o.Address == b }
		if !slices.ContainsFunc(rules.Outside.Backends, is) && !slices.ContainsFunc(rules.Inside.Backends, is) {
			delete(f.avoid, b)
		}
	}
}

// admits says that a client may connect.
func (f *front) admits(client netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.rules.Limited || slices.ContainsFunc(f.rules.Sources, func(p netip.Prefix) bool { return p.Contains(client) })
}

// order answers the backends for a client, the one to try first first, and not
// those that are the plane itself.
func (f *front) order(client, local netip.Addr) []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	choice := f.rules.Outside.Backends
	if client == local || f.net.inside(client) {
		choice = f.rules.Inside.Backends
	}
	n := len(choice)
	if n == 0 {
		return nil
	}
	f.turn++
	now := time.Now()
	out, last := make([]netip.AddrPort, 0, n), []netip.AddrPort(nil)
	for i := range n {
		b := choice[(f.turn+i)%n].Address
		if f.net.listens(proxy.Dial{Protocol: f.rules.Dial.Protocol, Address: b.Addr(), Port: b.Port()}) {
			continue
		}
		if until, bad := f.avoid[b]; bad && now.Before(until) {
			last = append(last, b)
		} else {
			out = append(out, b)
		}
	}
	out = append(out, last...)
	if s, ok := f.sticky[client]; ok && now.Before(s.until) {
		if at := slices.Index(out, s.to); at > 0 {
			out = slices.Insert(slices.Delete(out, at, at+1), 0, s.to)
		}
	}
	return out
}

// keeps says that a client may stay with a backend.
func (f *front) keeps(client, local netip.Addr, with netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	choice := f.rules.Outside.Backends
	if client == local || f.net.inside(client) {
		choice = f.rules.Inside.Backends
	}
	return slices.ContainsFunc(choice, func(b proxy.Backend) bool { return b.Address == with })
}

// answered notes that a backend took a client.
func (f *front) answered(client netip.Addr, by netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.avoid, by)
	if f.rules.Affinity == 0 {
		return
	}
	if f.sticky == nil {
		f.sticky = map[netip.Addr]stuck{}
	}
	if len(f.sticky) >= mostSticky {
		for other := range f.sticky { // whoever comes first
			delete(f.sticky, other)
			break
		}
	}
	f.sticky[client] = stuck{by, time.Now().Add(f.rules.Affinity)}
}

// silent notes that a backend did not answer.
func (f *front) silent(b netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.avoid == nil {
		f.avoid = map[netip.AddrPort]time.Time{}
	}
	f.avoid[b] = time.Now().Add(avoidFor)
}

// sweep forgets what has no meaning any more.
func (f *front) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for client, s := range f.sticky {
		if now.After(s.until) {
			delete(f.sticky, client)
		}
	}
	for b, until := range f.avoid {
		if now.After(until) {
			delete(f.avoid, b)
		}
	}
}
