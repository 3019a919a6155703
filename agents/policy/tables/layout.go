package tables

import (
	"net/netip"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"segno/agents/policy"
)

// The names in a table:
//
//	isolated-ingress, isolated-egress  address of a pod of this node → its chain
//	self                               address, address: a pod that comes to itself
//
// Four base chains ask them, two for what passes through this node and two for
// what it sends: who may go out is decided before who may come in. What the node
// itself sends is free; what another one sends by this node's name would have
// been dropped as coming from nowhere. IPVS sends what it translated, too.
const setSelf = "self"

var setIsolated = [2]string{"isolated-ingress", "isolated-egress"}

// After destinations were translated: rules are about pods, not about Services.
var priorities = [2]nft.ChainPriority{policy.Egress: -6, policy.Ingress: -5}

// family is one of the two tables.
type family struct {
	table               *nft.Table
	v6                  bool
	words               uint32 // of an address
	source, destination uint32 // offsets in the header
	addressType         nft.SetDatatype
}

func families(name string) [2]family {
	return [2]family{
		{&nft.Table{Name: name, Family: nft.TableFamilyIPv4}, false, 1, 12, 16, nft.TypeIPAddr},
		{&nft.Table{Name: name, Family: nft.TableFamilyIPv6}, true, 4, 8, 24, nft.TypeIP6Addr},
	}
}

func concat(types ...nft.SetDatatype) nft.SetDatatype {
	is, err := nft.ConcatSetType(types...)
	if err != nil {
		panic(err) // constant arguments
	}
	return is
}

func (f *family) isolated(d policy.Direction) *nft.Set {
	return &nft.Set{Table: f.table, Name: setIsolated[d], IsMap: true, KeyType: f.addressType, DataType: nft.TypeVerdict}
}

func (f *family) self() *nft.Set {
	return &nft.Set{Table: f.table, Name: setSelf, KeyType: concat(f.addressType, f.addressType)}
}

func (f *family) addresses(name string) *nft.Set {
	return &nft.Set{Table: f.table, Name: name, KeyType: f.addressType}
}

func (f *family) ports(name string) *nft.Set {
	return &nft.Set{Table: f.table, Name: name, KeyType: concat(f.addressType, nft.TypeInetProto, nft.TypeInetService)}
}

func (f *family) blocks(name string) *nft.Set {
	return &nft.Set{Table: f.table, Name: name, KeyType: f.addressType, Interval: true}
}

func (f *family) set(name string, s policy.Set) *nft.Set {
	if s.Ports {
		return f.ports(name)
	}
	return f.addresses(name)
}

func (f *family) has(a netip.Addr) bool { return a.Is6() == f.v6 }

// base makes a table in which nobody is isolated.
func (f *family) base(b *batch) {
	b.conn.AddTable(f.table)
	b.make(f.isolated(policy.Ingress))
	b.make(f.isolated(policy.Egress))
	b.make(f.self())
	hooks := map[string]*nft.ChainHook{"forward": nft.ChainHookForward, "output": nft.ChainHookOutput}
	for _, name := range []string{"forward", "output"} {
		for _, d := range []policy.Direction{policy.Egress, policy.Ingress} {
			chain := b.conn.AddChain(&nft.Chain{
				Name: name + "-" + d.String(), Table: f.table, Type: nft.ChainTypeFilter, Hooknum: hooks[name], Priority: &priorities[d],
			})
			if name == "output" {
				b.rule(chain, "of this node", fromThisNode(), accept())
			}
			if f.v6 {
				b.rule(chain, "neighbours", neighbours(), accept())
			}
			b.rule(chain, "answers", answers(), accept())
			b.rule(chain, "to oneself", f.load(f.source, 0), f.load(f.destination, f.words), in(setSelf), accept())
			own := f.destination
			if d == policy.Egress {
				own = f.source
			}
			b.rule(chain, "isolated", f.load(own, 0), []expr.Any{
				&expr.Lookup{SourceRegister: reg(0), DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: setIsolated[d]},
			})
		}
	}
}

// The elements.

func (f *family) element(set policy.Set, e policy.Element) nft.SetElement {
	key := e.Address.AsSlice()
	if set.Ports {
		key = slices.Concat(key, []byte{e.Protocol, 0, 0, 0}, portBytes(e.Port), []byte{0, 0})
	}
	return nft.SetElement{Key: key}
}

func isolation(a netip.Addr, chain string) nft.SetElement {
	return nft.SetElement{Key: a.AsSlice(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}}
}

func oneself(a netip.Addr) nft.SetElement {
	return nft.SetElement{Key: slices.Concat(a.AsSlice(), a.AsSlice())}
}

func (f *family) intervals(ranges []policy.Range) (out []nft.SetElement) {
	for _, r := range ranges {
		if !f.has(r.From) {
			continue
		}
		out = append(out, nft.SetElement{Key: r.From.AsSlice()})
		if after := r.To.Next(); after.IsValid() {
			out = append(out, nft.SetElement{Key: after.AsSlice(), IntervalEnd: true})
		}
	}
	return out
}

func portBytes(p uint16) []byte { return []byte{byte(p >> 8), byte(p)} }
