package nftables

import (
	"slices"
	"time"

	"segno/agents/proxy"
)

// The sets whose elements come from Services, in the order in which elements
// are added; they are deleted the other way round, so that nothing leads to
// what is not there.
type set uint8

const (
	members    set = iota // frontend, backend: who may keep a sticky client
	hairpins              // backend, backend: who may come back to itself
	masquerade            // frontend: whose clients from outside appear as the node
	backends              // frontend, index → backend
	inside                // frontend → class, for clients on this node, where it differs
	frontends             // frontend → class
	sets
)

func (s set) String() string {
	return [...]string{"members", "hairpins", "masquerade", "backends", "inside", "frontends"}[s]
}

// element is a place in a set of a family.
type element struct {
	family uint8
	set    set
	key    string
}

// elements are what is in the sets, and with it its value in maps.
type elements map[element]string

// class says how a frontend chooses a backend. It is all that the map of
// frontends holds; what a class does is a chain, made once for all.
type class struct {
	count  uint32 // of backends; or one of the verdicts
	inside bool   // takes the backends for those inside
	sticky time.Duration
}

// verdicts are counts that no frontend has.
const (
	dropping  = 1<<32 - 1
	rejecting = 1<<32 - 2
)

func classOf(f *proxy.Frontend, c proxy.Choice, inside bool) class {
	switch {
	case len(c.Backends) > 0:
		return class{uint32(len(c.Backends)), inside, f.Affinity}
	case c.Drop:
		return class{count: dropping}
	}
	return class{count: rejecting}
}

// insideFlag is beside the seconds of a class, and added to the indexes of
// backends for those inside.
const insideFlag = 1 << 20

func (c class) bytes() []byte {
	second := uint32(c.sticky / time.Second)
	if c.inside {
		second |= insideFlag
	}
	return append(word(c.count), word(second)...)
}

func dialBytes(d proxy.Dial) []byte {
	return append(append(bytesOf(d.Address), protocols[string(d.Protocol)], 0, 0, 0), port(d.Port)...)
}

func backendBytes(b proxy.Backend) []byte {
	return append(bytesOf(b.Address.Addr()), port(b.Address.Port())...)
}

// add puts in what a Service needs, save hairpins, which Services share. It
// answers the classes in use.
func (e elements) add(rules *proxy.Rules, classes map[class]struct{}) {
	for i := range rules.Frontends {
		e.addFrontend(&rules.Frontends[i], classes)
	}
}

func (e elements) addFrontend(f *proxy.Frontend, classes map[class]struct{}) {
	v6, dial := uint8(of(f.Dial.Address)), dialBytes(f.Dial)
	put := func(s set, key []byte, value []byte) { e[element{v6, s, string(key)}] = string(value) }
	choice := func(s set, c proxy.Choice, in bool) {
		k := classOf(f, c, in)
		classes[k] = struct{}{}
		put(s, dial, k.bytes())
		first := uint32(0)
		if in {
			first = insideFlag
		}
		for i, b := range c.Backends {
			put(backends, slices.Concat(dial, word(first+uint32(i))), backendBytes(b))
			if f.Affinity > 0 {
				put(members, slices.Concat(dial, backendBytes(b)), nil)
			}
		}
	}
	choice(frontends, f.Outside, false)
	if f.Split() {
		choice(inside, f.Inside, true)
	}
	if f.Masquerade {
		put(masquerade, dial, nil)
	}
}
