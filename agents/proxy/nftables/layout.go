package nftables

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// The way of a packet that begins a connection (dial is its destination
// address, protocol and destination port):
//
//	check-in, check-out   limits:    dial → a chain that drops whom the Service does not want
//	                      frontends: dial → class; no backend: dropped or refused
//	nat-in, nat-out       frontends: dial → class → classes → its chain, which
//	                      takes a random backend, or the one in sticky
//	nat-back              masquerades whom the answers would miss
//
// Clients on this node first look into the map inside.
//
// A verdict map is walked whole by the kernel whenever anything in it changes.
// So frontends holds plain data, and the verdict map classes is small.
const (
	checkIn, checkOut        = "check-in", "check-out"
	checkInside, checkAll    = "check-inside", "check-all"
	natIn, natOut, natBack   = "nat-in", "nat-out", "nat-back"
	natInside, natAll        = "nat-inside", "nat-all"
	natBackInside            = "nat-back-inside"
	refuse                   = "refuse"
	setSticky, setClasses    = "sticky", "classes"
	setLimits, setVerdicts   = "limits", "verdicts"
	classPrefix, limitPrefix = "class-", "limit-"

	// layoutMark is a chain that says which layout a table has.
	layoutMark = "layout-1"

	// mostSticky clients are remembered in each family.
	mostSticky = 1 << 18

	ctNew     = 1 << 3 // IP_CT_NEW as a bit of the state
	ctDNAT    = 1 << 5 // IPS_DST_NAT
	opAdd     = unix.NFT_DYNSET_OP_ADD
	opUpdate  = unix.NFT_DYNSET_OP_UPDATE
	opDelete  = 2 // NFT_DYNSET_OP_DELETE
	registers = 8 // NFT_REG32_00
)

// layout is the part of a table that does not depend on Services.
type layout struct {
	family
	sets map[string]*nft.Set
}

func concat(types ...nft.SetDatatype) nft.SetDatatype {
	t, err := nft.ConcatSetType(types...)
	if err != nil {
		panic(err) // constant arguments
	}
	return t
}

func newLayout(f family) layout {
	l := layout{f, map[string]*nft.Set{}}
	address, proto, service := f.address, nft.TypeInetProto, nft.TypeInetService
	kind := concat(nft.TypeMark, nft.TypeMark)
	dial, to := concat(address, proto, service), concat(address, service)
	for i, s := range []nft.Set{
		{Name: members.String(), KeyType: concat(address, proto, service, address, service)},
		{Name: hairpins.String(), KeyType: concat(address, address)},
		{Name: masquerade.String(), KeyType: dial},
		{Name: backends.String(), KeyType: concat(address, proto, service, nft.TypeMark), IsMap: true, DataType: to},
		{Name: inside.String(), KeyType: dial, IsMap: true, DataType: kind},
		{Name: frontends.String(), KeyType: dial, IsMap: true, DataType: kind},
		{
			Name: setSticky, KeyType: concat(address, address, proto, service), IsMap: true, DataType: to,
			Dynamic: true, HasTimeout: true, Size: mostSticky,
		},
		{Name: setClasses, KeyType: kind, IsMap: true, DataType: nft.TypeVerdict},
		{Name: setVerdicts, KeyType: kind, IsMap: true, DataType: nft.TypeVerdict},
		{Name: setLimits, KeyType: dial, IsMap: true, DataType: nft.TypeVerdict},
	} {
		s.Table, s.ID = f.table, uint32(i+1)
		l.sets[s.Name] = &s
	}
	return l
}

// base writes everything that does not depend on Services; what is there is
// written anew, in the same transaction.
func (l *layout) base(to *batch, pods []netip.Prefix) error {
	to.conn.AddTable(l.table)
	for _, name := range slices.Sorted(maps.Keys(l.sets)) {
		if err := to.conn.AddSet(l.sets[name], nil); err != nil {
			return fmt.Errorf("declare set %s: %w", name, err)
		}
	}
	to.conn.AddChain(&nft.Chain{Name: layoutMark, Table: l.table})
	before := nft.ChainPriorityRef(*nft.ChainPriorityNATDest - 10)
	for _, name := range []string{refuse, checkInside, checkAll, natInside, natAll, natBackInside} {
		l.chain(to, nft.Chain{Name: name})
	}
	l.chain(to, nft.Chain{Name: checkIn, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookPrerouting, Priority: before})
	l.chain(to, nft.Chain{Name: checkOut, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookOutput, Priority: before})
	l.chain(to, nft.Chain{Name: natIn, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPrerouting, Priority: nft.ChainPriorityNATDest})
	l.chain(to, nft.Chain{Name: natOut, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookOutput, Priority: nft.ChainPriorityNATDest})
	l.chain(to, nft.Chain{Name: natBack, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPostrouting, Priority: nft.ChainPriorityNATSource})
	l.verdicts(to)
	l.checks(to, pods)
	l.nats(to, pods)
	return nil
}

// chain makes a chain, and it empty.
func (l *layout) chain(to *batch, c nft.Chain) {
	c.Table = l.table
	to.conn.AddChain(&c)
	to.conn.FlushChain(&c)
}

func (l *layout) rule(to *batch, chain string, of ...[]expr.Any) {
	to.conn.AddRule(&nft.Rule{Table: l.table, Chain: &nft.Chain{Name: chain, Table: l.table}, Exprs: slices.Concat(of...)})
}

func (l *layout) verdicts(to *batch) {
	to.add(l.sets[setVerdicts], nft.SetElement{Key: class{count: dropping}.bytes(), VerdictData: &expr.Verdict{Kind: expr.VerdictDrop}})
	to.add(l.sets[setVerdicts], nft.SetElement{Key: class{count: rejecting}.bytes(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: refuse}})
	tcp := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(0)}, equal(0, []byte{unix.IPPROTO_TCP})}
	l.rule(to, refuse, tcp, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	l.rule(to, refuse, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: l.unreachable}})
}

func (l *layout) checks(to *batch, pods []netip.Prefix) {
	fresh := []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)}, and(0, word(ctNew)),
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: word(0)}, &expr.Verdict{Kind: expr.VerdictAccept},
	}
	for _, chain := range []string{checkIn, checkOut} {
		l.rule(to, chain, fresh)
		l.rule(to, chain, l.dial(0), []expr.Any{l.verdict(setLimits, 0)})
	}
	for _, p := range pods {
		l.rule(to, checkIn, l.from(p), gotoChain(checkInside))
	}
	l.rule(to, checkIn, gotoChain(checkAll))
	l.rule(to, checkOut, gotoChain(checkInside))
	// One that has its own line in inside must not come to that of the others.
	l.rule(to, checkInside, l.dial(0), []expr.Any{l.lookup(inside.String(), 0, 8), l.verdict(setVerdicts, 8)})
	l.rule(to, checkInside, l.dial(0), []expr.Any{l.lookup(inside.String(), 0, 8), &expr.Verdict{Kind: expr.VerdictAccept}})
	l.rule(to, checkInside, gotoChain(checkAll))
	l.rule(to, checkAll, l.dial(0), []expr.Any{l.lookup(frontends.String(), 0, 8), l.verdict(setVerdicts, 8)})
}

func (l *layout) nats(to *batch, pods []netip.Prefix) {
	for _, p := range pods {
		l.rule(to, natIn, l.from(p), gotoChain(natInside))
		l.rule(to, natBack, translated(), l.from(p), gotoChain(natBackInside))
	}
	l.rule(to, natIn, gotoChain(natAll))
	l.rule(to, natOut, gotoChain(natInside))
	l.rule(to, natInside, l.dial(0), []expr.Any{l.lookup(inside.String(), 0, 8), l.verdict(setClasses, 8)})
	l.rule(to, natInside, gotoChain(natAll))
	l.rule(to, natAll, l.dial(0), []expr.Any{l.lookup(frontends.String(), 0, 8), l.verdict(setClasses, 8)})

	masq := []expr.Any{&expr.Masq{FullyRandom: true}}
	l.rule(to, natBackInside, l.load(l.source, 0), l.load(l.destination, l.words), []expr.Any{l.in(hairpins.String(), 0)}, masq)
	if !bridged(l.bridgeSwitch) {
		// Between two pods of one bridge answers do not pass this table.
		for _, p := range pods {
			l.rule(to, natBackInside, l.to(p), masq)
		}
	}
	original := []expr.Any{
		&expr.Ct{Key: expr.CtKeyDST, Register: reg(0)},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(l.words)},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg(l.words + 1)},
	}
	l.rule(to, natBack, translated(), original, []expr.Any{l.in(masquerade.String(), 0)}, masq)
}

// bridged says that the kernel shows us packets that a bridge only passes on.
func bridged(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(data)) == "1"
}

// class makes the chain of a class.
func (l *layout) class(to *batch, c class) {
	if c.count == dropping || c.count == rejecting {
		return
	}
	name := c.chain()
	l.chain(to, nft.Chain{Name: name})
	first := uint32(0)
	if c.inside {
		first = insideFlag
	}
	// Registers: the client, the dial, then the backend; a dial with a backend
	// is a member, a client with a dial is sticky.
	client, dial := uint32(0), l.words
	backend := dial + l.words + 2
	random := []expr.Any{
		&expr.Numgen{Register: reg(backend), Modulus: c.count, Type: unix.NFT_NG_RANDOM, Offset: first},
		l.lookup(backends.String(), dial, backend),
	}
	if c.sticky > 0 {
		key := slices.Concat(l.load(l.source, client), l.dial(dial))
		remember := func(op uint32) []expr.Any {
			s := l.sets[setSticky]
			d := &expr.Dynset{SrcRegKey: reg(client), SrcRegData: reg(backend), SetName: s.Name, SetID: s.ID, Operation: op}
			if op != opDelete {
				d.Timeout = c.sticky
			}
			return []expr.Any{d}
		}
		known, still := []expr.Any{l.lookup(setSticky, client, backend)}, []expr.Any{l.in(members.String(), dial)}
		l.rule(to, name, key, known, still, remember(opUpdate), l.send(backend))
		l.rule(to, name, key, known, remember(opDelete)) // its backend is gone
		l.rule(to, name, key, random, remember(opAdd), l.send(backend))
	}
	l.rule(to, name, l.dial(dial), random, l.send(backend))
	to.add(l.sets[setClasses], nft.SetElement{Key: c.bytes(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: name}})
}

func (c class) chain() string {
	name := fmt.Sprintf("%s%d", classPrefix, c.count)
	if c.inside {
		name += "-" + inside.String()
	}
	if c.sticky > 0 {
		name += fmt.Sprintf("-%ds", c.sticky/time.Second)
	}
	return name
}

// limit makes the chain of a frontend that only some may use.
func (l *layout) limit(to *batch, f *proxy.Frontend) {
	name := limitChain(f.Dial)
	l.chain(to, nft.Chain{Name: name})
	for _, p := range f.Sources {
		l.rule(to, name, l.from(p), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}})
	}
	l.rule(to, name, []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}})
	to.add(l.sets[setLimits], limitElement(f.Dial))
}

func limitElement(d proxy.Dial) nft.SetElement {
	return nft.SetElement{Key: dialBytes(d), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: limitChain(d)}}
}

func limitChain(d proxy.Dial) string {
	return fmt.Sprintf("%s%s-%s-%d", limitPrefix, d.Protocol, strings.ReplaceAll(d.Address.String(), ":", "_"), d.Port)
}
