package tables

import (
	"fmt"
	"maps"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/policy"
)

// Same says whether the kernel still has what was written, as far as people
// change such things: chains, rules, sets and their elements.
func (t *Tables) Same() (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.have.known {
		return false, nil
	}
	for i := range t.families {
		same, err := t.sameFamily(&t.families[i])
		if err != nil {
			return false, fmt.Errorf("read the tables %s: %w", t.name, err)
		}
		if !same {
			return false, nil
		}
	}
	return true, nil
}

func (t *Tables) sameFamily(f *family) (bool, error) {
	tables, err := t.conn.ListTablesOfFamily(f.table.Family)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(tables, func(x *nft.Table) bool { return x.Name == t.name })
	if at < 0 || tables[at].Flags != 0 { // a sleeping table isolates nobody
		return false, nil
	}
	same, err := t.sameChains(f)
	if err != nil || !same {
		return false, err
	}
	return t.sameSets(f)
}

func (t *Tables) sameChains(f *family) (bool, error) {
	// What it should be is asked of the same code that writes it.
	plan := policy.Plan{Chains: t.have.chains, Blocks: t.have.blocks}
	want := recorded(f, &plan)
	chains, err := t.conn.ListChainsOfTableFamily(f.table.Family)
	if err != nil {
		return false, err
	}
	seen := 0
	for _, c := range chains {
		if c.Table.Name != t.name {
			continue
		}
		seen++
		comments, known := want[c.Name]
		if !known {
			return false, nil
		}
		rules, err := t.conn.GetRules(f.table, c)
		if err != nil {
			return false, err
		}
		if !slices.EqualFunc(rules, comments, func(r *nft.Rule, comment string) bool {
			is, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			return is == comment
		}) {
			return false, nil
		}
	}
	return seen == len(want), nil
}

// recorded are the comments of the rules that a table should have, by chain.
func recorded(f *family, p *policy.Plan) map[string][]string {
	out := map[string][]string{}
	for _, hook := range []string{"forward", "output"} {
		for d := range policy.Direction(2) {
			name := hook + "-" + d.String()
			if hook == "output" {
				out[name] = append(out[name], "of this node")
			}
			if f.v6 {
				out[name] = append(out[name], "neighbours")
			}
			out[name] = append(out[name], "answers", "to oneself", "isolated")
		}
	}
	for name, chain := range p.Chains {
		out[name] = []string{}
		for _, r := range chain.Rules {
			if f.of(p, r) {
				comment := text(r)
				out[name] = append(out[name], comment[:min(len(comment), longestComment)])
			}
		}
		if chain.Closed {
			out[name] = append(out[name], "nobody else")
		}
	}
	return out
}

func (t *Tables) sameSets(f *family) (bool, error) {
	self := map[string]struct{}{}
	for d := range policy.Direction(2) {
		isolated := map[string]struct{}{}
		for a, chain := range t.have.isolated[d] {
			if f.has(a) {
				isolated[string(a.AsSlice())+chain] = struct{}{}
				self[string(oneself(a).Key)] = struct{}{}
			}
		}
		if same, err := t.holds(f.isolated(d), isolated); err != nil || !same {
			return false, err
		}
	}
	if same, err := t.holds(f.self(), self); err != nil || !same {
		return false, err
	}
	for name, set := range t.have.sets {
		if same, err := t.holds(f.set(name, set), keysOf(f.all(set))); err != nil || !same {
			return false, err
		}
	}
	for name, ranges := range t.have.blocks {
		if same, err := t.holds(f.blocks(name), keysOf(f.intervals(ranges))); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func keysOf(elements []nft.SetElement) map[string]struct{} {
	out := make(map[string]struct{}, len(elements))
	for _, e := range elements {
		out[keyOf(e)] = struct{}{}
	}
	return out
}

func keyOf(e nft.SetElement) string {
	key := string(e.Key) + chainIn(e.Val)
	if e.IntervalEnd {
		key += "end"
	}
	return key
}

// chainIn is the chain that a verdict, as the kernel tells it, leads to.
func chainIn(verdict []byte) (chain string) {
	attributes, err := netlink.NewAttributeDecoder(verdict)
	for err == nil && attributes.Next() {
		if attributes.Type() == unix.NFTA_VERDICT_CHAIN {
			chain = attributes.String()
		}
	}
	return chain
}

// holds says whether a set has exactly these elements.
func (t *Tables) holds(s *nft.Set, want map[string]struct{}) (bool, error) {
	have, err := t.conn.GetSetElements(s)
	if err != nil {
		return false, fmt.Errorf("set %s: %w", s.Name, err)
	}
	return maps.Equal(keysOf(have), want), nil
}
