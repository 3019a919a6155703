package nftables

import (
	"slices"

	"segno/agents/proxy"
)

// The sets whose elements come from Services, in the order in which elements
// are added; they are deleted the other way round, so that nothing leads to
// what is not there.
type set uint8

const (
	hairpins   set = iota // backend, backend: who may come back to itself
	masquerade            // frontend: whose clients from outside appear as the node
	backends              // frontend, index → backend
	inside                // frontend, class: for clients on this node, where it differs
	frontends             // frontend, class
	clusterIPs            // whose other ports are refused
	sets
)

func (s set) String() string {
	return [...]string{"hairpins", "masqueraded", "backends", "inside", "frontends", "cluster-ips"}[s]
}

// element is a place in a set of a family.
type element struct {
	family uint8
	set    set
	key    string
}

// elements are what is in the sets, and with it its value in maps.
type elements map[element]string

// class says what becomes of new connections to a frontend: a number of
// backends, one of which is taken, or one of those below. What a class does is
// one rule for all its frontends.
type class uint32

const (
	// insideFlag marks classes of the set inside, and the indexes of backends
	// for those inside.
	insideFlag class = 1 << 20

	dropping  class = 1<<32 - 1 - iota
	rejecting       // nobody answers
	special         // has its own line in the set inside
	sticky          // has a chain of its own
	guarded         // has backends among which another plane chooses
)

func classOf(f *proxy.Frontend, c proxy.Choice) class {
	switch {
	case len(c.Backends) > 0 && f.Affinity > 0:
		return sticky
	case len(c.Backends) > 0:
		return class(len(c.Backends))
	case c.Drop:
		return dropping
	}
	return rejecting
}

// counts says that a class is a number of backends.
func (c class) counts() bool { return c < guarded }

func dialBytes(d proxy.Dial) []byte {
	return append(append(bytesOf(d.Address), protocols[string(d.Protocol)], 0, 0, 0), port(d.Port)...)
}

func backendBytes(b proxy.Backend) []byte {
	return append(bytesOf(b.Address.Addr()), port(b.Address.Port())...)
}

// add puts in what a Service needs, save what Services share. It
// answers the classes in use.
func (e elements) add(rules *proxy.Rules, classes map[class]struct{}, guard bool) {
	for i := range rules.Frontends {
		e.addFrontend(&rules.Frontends[i], classes, guard)
	}
}

func (e elements) addFrontend(f *proxy.Frontend, classes map[class]struct{}, guard bool) {
	v6, dial := uint8(of(f.Dial.Address)), dialBytes(f.Dial)
	put := func(s set, value []byte, key ...[]byte) {
		e[element{v6, s, string(slices.Concat(append([][]byte{dial}, key...)...))}] = string(value)
	}
	choice := func(s set, c proxy.Choice, flag class) {
		k := classOf(f, c)
		if guard && len(c.Backends) > 0 {
			k = guarded
		}
		put(s, nil, word(uint32(k)))
		if !k.counts() {
			return
		}
		classes[k|flag] = struct{}{}
		for i, b := range c.Backends {
			put(backends, backendBytes(b), word(uint32(flag)+uint32(i)))
		}
	}
	choice(frontends, f.Outside, 0)
	if f.Split() {
		choice(inside, f.Inside, insideFlag)
		put(inside, nil, word(uint32(special)))
	}
	if f.Masquerade {
		put(masquerade, nil)
	}
}
