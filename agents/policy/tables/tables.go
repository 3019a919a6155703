package tables

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	nft "github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/policy"
)

// Tables of a node.
type Tables struct {
	conn     *nft.Conn
	name     string
	families [2]family

	mu   sync.Mutex
	have written
}

// written is what the kernel has of a plan.
type written struct {
	known    bool // otherwise nobody knows
	isolated [2]map[netip.Addr]string
	chains   map[string]policy.Chain
	sets     map[string]policy.Set
	blocks   map[string][]policy.Range
}

// Open answers the tables of this name, in the network namespace of the caller's
// thread. Whatever is in them is ours. It fails where the kernel has no nftables,
// or this process may not use them.
func Open(name string) (*Tables, error) {
	large := func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(buffers), c.SetWriteBuffer(buffers))
	}
	conn, err := nft.New(nft.AsLasting(), nft.WithSockOptions(large))
	if err != nil {
		return nil, fmt.Errorf("open a socket to nftables (the kernel needs CONFIG_NF_TABLES, this process CAP_NET_ADMIN): %w", err)
	}
	if _, err := conn.ListTables(); err != nil {
		return nil, errors.Join(fmt.Errorf("list the tables of nftables (the kernel needs CONFIG_NF_TABLES, this process CAP_NET_ADMIN): %w", err), conn.CloseLasting())
	}
	return &Tables{conn: conn, name: name, families: families(name)}, nil
}

// Close ends the connection with the kernel; the tables stay.
func (t *Tables) Close() error { return t.conn.CloseLasting() }

// Sync makes the tables exactly the plan, in one transaction: at no moment is
// anything open that the plan closes.
func (t *Tables) Sync(p *policy.Plan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have.known = false
	b := &batch{conn: t.conn}
	for i := range t.families {
		f := &t.families[i]
		t.drop(f)
		f.base(b)
		for name := range p.Chains {
			t.conn.AddChain(&nft.Chain{Name: name, Table: f.table})
		}
		for name, set := range p.Sets {
			b.make(f.set(name, set), f.all(set)...)
		}
		for name, ranges := range p.Blocks {
			b.make(f.blocks(name), f.intervals(ranges)...)
		}
		for name := range p.Chains {
			b.chain(f, p, name)
		}
		f.isolate(b, p)
	}
	if err := b.flush(); err != nil {
		return fmt.Errorf("write the tables %s: %w", t.name, err)
	}
	t.have = copied(p)
	return nil
}

// Remove deletes the tables, there or not.
func (t *Tables) Remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have.known = false
	for i := range t.families {
		t.drop(&t.families[i])
	}
	if err := t.conn.Flush(); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPROTONOSUPPORT) {
		return fmt.Errorf("delete the tables %s: %w", t.name, err)
	}
	return nil
}

func (t *Tables) drop(f *family) {
	t.conn.AddTable(f.table)
	t.conn.DelTable(f.table)
}

// all are a set's elements of this family.
func (f *family) all(set policy.Set) (out []nft.SetElement) {
	for e := range set.Elements {
		if f.has(e.Address) {
			out = append(out, f.element(set, e))
		}
	}
	return out
}

// isolate fills the maps of a table that is new.
func (f *family) isolate(b *batch, p *policy.Plan) {
	var self []nft.SetElement
	seen := map[netip.Addr]bool{}
	for d := range policy.Direction(2) {
		var elements []nft.SetElement
		for a, chain := range p.Isolated[d] {
			if !f.has(a) {
				continue
			}
			elements = append(elements, isolation(a, chain))
			if !seen[a] {
				seen[a], self = true, append(self, oneself(a))
			}
		}
		b.add(f.isolated(d), elements)
	}
	b.add(f.self(), self)
}
