package tables

import (
	"fmt"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"segno/agents/policy"
)

const (
	// perMessage elements fit the 64 KiB that one attribute may have.
	perMessage = 500
	// buffers is the size of the socket's buffers, for one transaction.
	buffers = 64 << 20
	// longestComment that the kernel keeps.
	longestComment = 200
)

// batch collects one transaction.
type batch struct {
	conn *nft.Conn
	next uint32 // number of a set within the transaction
	err  error
}

func (b *batch) make(s *nft.Set, all ...nft.SetElement) {
	b.next++
	s.ID = b.next
	if err := b.conn.AddSet(s, nil); err != nil && b.err == nil {
		b.err = fmt.Errorf("declare set %s: %w", s.Name, err)
	}
	b.add(s, all)
}

func (b *batch) add(s *nft.Set, all []nft.SetElement) { b.elements(s, all, b.conn.SetAddElements) }

func (b *batch) remove(s *nft.Set, all []nft.SetElement) {
	b.elements(s, all, b.conn.SetDeleteElements)
}

func (b *batch) elements(s *nft.Set, all []nft.SetElement, do func(*nft.Set, []nft.SetElement) error) {
	for part := range slices.Chunk(all, perMessage) {
		if err := do(s, part); err != nil && b.err == nil {
			b.err = fmt.Errorf("write elements of set %s: %w", s.Name, err)
		}
	}
}

func (b *batch) rule(chain *nft.Chain, comment string, of ...[]expr.Any) {
	b.conn.AddRule(&nft.Rule{
		Table: chain.Table, Chain: chain, Exprs: slices.Concat(of...),
		UserData: userdata.AppendString(nil, userdata.TypeComment, comment[:min(len(comment), longestComment)]),
	})
}

// chain fills one that is there and empty.
func (b *batch) chain(f *family, p *policy.Plan, name string) {
	chain, is := &nft.Chain{Name: name, Table: f.table}, p.Chains[name]
	for _, r := range is.Rules {
		if f.of(p, r) {
			b.rule(chain, text(r), f.conditions(is.Direction, r))
		}
	}
	if is.Closed {
		b.rule(chain, "nobody else", drop())
	}
}

func (b *batch) flush() error {
	if b.err != nil {
		return b.err
	}
	return b.conn.Flush()
}
