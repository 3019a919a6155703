package nftables

import (
	"fmt"

	nft "github.com/google/nftables"
)

const (
	// perMessage elements fit the 64 KiB that one attribute may have.
	perMessage = 500
	// perTransaction elements fit the socket's buffer.
	perTransaction = 40_000
	// perRule is how many elements a rule, or another message, weighs.
	perRule = 4
)

// batch collects changes. They become one transaction, or a few when there are
// very many.
type batch struct {
	conn  *nft.Conn
	count int
	err   error
}

func (b *batch) add(s *nft.Set, e ...nft.SetElement) { b.elements(s, e, b.conn.SetAddElements) }

func (b *batch) remove(s *nft.Set, e ...nft.SetElement) { b.elements(s, e, b.conn.SetDeleteElements) }

func (b *batch) elements(s *nft.Set, all []nft.SetElement, do func(*nft.Set, []nft.SetElement) error) {
	for len(all) > 0 && b.err == nil {
		n := min(len(all), perMessage)
		if err := do(s, all[:n]); err != nil {
			b.err = fmt.Errorf("write elements of set %s: %w", s.Name, err)
		}
		all = all[n:]
		b.count += n
	}
}

// weighs notes a message that has no elements.
func (b *batch) weighs() { b.count += perRule }

// breathe ends the transaction if it is large. What must change together stands
// between two calls.
func (b *batch) breathe() {
	if b.count >= perTransaction {
		b.flush()
	}
}

func (b *batch) flush() {
	if b.err == nil {
		b.err = b.conn.Flush()
	}
	b.count = 0
}

// apply brings elements from what they are to what they should be: additions in
// the order of sets, then deletions the other way round.
func (b *batch) apply(layouts *[2]layout, have, want elements) {
	var changed, fresh, gone [2][sets][]nft.SetElement
	for e, value := range want {
		is, known := have[e]
		made := nft.SetElement{Key: []byte(e.key), Val: []byte(value)}
		switch {
		case !known:
			fresh[e.family][e.set] = append(fresh[e.family][e.set], made)
		case is != value:
			changed[e.family][e.set] = append(changed[e.family][e.set], made)
		}
	}
	for e := range have {
		if _, wanted := want[e]; !wanted {
			gone[e.family][e.set] = append(gone[e.family][e.set], nft.SetElement{Key: []byte(e.key)})
		}
	}
	for f := range layouts {
		for s := range sets {
			at := layouts[f].sets[s.String()]
			b.replace(at, changed[f][s])
			b.inParts(at, fresh[f][s], b.add)
		}
		for s := range sets {
			s = sets - 1 - s
			b.inParts(layouts[f].sets[s.String()], gone[f][s], b.remove)
		}
	}
}

// replace gives keys other values; a key and its value change in one
// transaction.
func (b *batch) replace(s *nft.Set, of []nft.SetElement) {
	b.inParts(s, of, func(s *nft.Set, part ...nft.SetElement) {
		keys := make([]nft.SetElement, len(part))
		for i := range part {
			keys[i].Key = part[i].Key
		}
		b.remove(s, keys...)
		b.add(s, part...)
	})
}

func (b *batch) inParts(s *nft.Set, all []nft.SetElement, do func(*nft.Set, ...nft.SetElement)) {
	for len(all) > 0 {
		n := min(len(all), perMessage)
		do(s, all[:n]...)
		all = all[n:]
		b.breathe()
	}
}
