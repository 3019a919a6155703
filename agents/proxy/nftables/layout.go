package nftables

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The way of a packet that begins a connection (dial is its destination
// address, protocol and destination port):
//
//	check-in, check-out   limits: dial → a chain that drops whom the Service does not want
//	                      dial . class in frontends: dropped or refused
//	nat-in, nat-out       sticky: dial → a chain of the frontend's own
//	                      dial . class in frontends: the chain of the class, which
//	                      sends to dial . a random index → backends
//	stray-in, stray-out   refuse what still goes to a cluster IP
//	nat-back              masquerades whom the answers would miss
//
// Clients on this node first look into the set inside.
//
// The kernel walks a verdict map whole whenever anything in it changes. So only
// what is rare has one; the others are found by a rule for each class. And no
// lookup takes what another one found: the tool nft could not show that.
const (
	checkIn, checkOut         = "check-in", "check-out"
	checkInside, checkAll     = "check-inside", "check-all"
	natIn, natOut, natBack    = "nat-in", "nat-out", "nat-back"
	natInside, natInsideOnly  = "nat-inside", "nat-inside-only"
	natAll                    = "nat-all"
	natBackInside             = "nat-back-inside"
	strayIn, strayOut, stray  = "stray-in", "stray-out", "stray"
	refuse                    = "refuse"
	setClients, setLimits     = "clients", "limits"
	setSticky, setStickyInner = "sticky", "sticky-inside"
	classPrefix               = "class-"

	// layoutMark is a chain that says which layout a table has.
	layoutMark = "layout-3"

	// mostSticky clients are remembered in each family.
	mostSticky = 1 << 18

	ctNew     = 1 << 3 // IP_CT_NEW as a bit of the state
	ctDNAT    = 1 << 5 // IPS_DST_NAT
	registers = 8      // NFT_REG32_00

	// masqueradeMark is a bit of the packet's mark, between the choice of a
	// backend and the end of the way through this node.
	masqueradeMark = 1 << 21
)

// layout is the part of a table that does not depend on Services.
type layout struct {
	family
	guard bool // another plane chooses backends
	sets  map[string]*nft.Set
}

func concat(types ...nft.SetDatatype) nft.SetDatatype {
	t, err := nft.ConcatSetType(types...)
	if err != nil {
		panic(err) // constant arguments
	}
	return t
}

func newLayout(f family, guard bool) layout {
	l := layout{f, guard, map[string]*nft.Set{}}
	address, proto, service := f.address, nft.TypeInetProto, nft.TypeInetService
	dial, to := concat(address, proto, service), concat(address, service)
	classified := concat(address, proto, service, nft.TypeMark)
	for i, s := range []nft.Set{
		{Name: hairpins.String(), KeyType: concat(address, address)},
		{Name: masquerade.String(), KeyType: dial},
		{Name: backends.String(), KeyType: classified, IsMap: true, DataType: to},
		{Name: inside.String(), KeyType: classified},
		{Name: frontends.String(), KeyType: classified},
		{Name: clusterIPs.String(), KeyType: address},
		{
			Name: setClients, KeyType: concat(address, address, proto, service, nft.TypeMark),
			Dynamic: true, HasTimeout: true, Size: mostSticky,
		},
		{Name: setLimits, KeyType: dial, IsMap: true, DataType: nft.TypeVerdict},
		{Name: setSticky, KeyType: dial, IsMap: true, DataType: nft.TypeVerdict},
		{Name: setStickyInner, KeyType: dial, IsMap: true, DataType: nft.TypeVerdict},
	} {
		s.Table, s.ID = f.table, uint32(i+1)
		l.sets[s.Name] = &s
	}
	return l
}

// base writes everything that does not depend on Services; what is there is
// written anew, in the same transaction.
func (l *layout) base(to *batch, pods []netip.Prefix) error {
	if err := l.declare(to); err != nil {
		return err
	}
	to.conn.AddChain(&nft.Chain{Name: layoutMark, Table: l.table})
	before := nft.ChainPriorityRef(*nft.ChainPriorityNATDest - 10)
	after := nft.ChainPriorityRef(*nft.ChainPriorityNATDest + 10)
	for _, name := range []string{refuse, stray, checkInside, checkAll, natInside, natInsideOnly, natAll, natBackInside} {
		l.chain(to, nft.Chain{Name: name})
	}
	l.chain(to, nft.Chain{Name: checkIn, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookPrerouting, Priority: before})
	l.chain(to, nft.Chain{Name: checkOut, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookOutput, Priority: before})
	l.chain(to, nft.Chain{Name: natIn, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPrerouting, Priority: nft.ChainPriorityNATDest})
	l.chain(to, nft.Chain{Name: natOut, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookOutput, Priority: nft.ChainPriorityNATDest})
	l.chain(to, nft.Chain{Name: natBack, Type: nft.ChainTypeNAT, Hooknum: nft.ChainHookPostrouting, Priority: nft.ChainPriorityNATSource})
	l.chain(to, nft.Chain{Name: strayIn, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookPrerouting, Priority: after})
	l.chain(to, nft.Chain{Name: strayOut, Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookOutput, Priority: after})
	l.refuse(to)
	l.checks(to, pods)
	l.nats(to, pods)
	l.strays(to)
	return nil
}

// declare makes the table and its sets, unless they are there.
func (l *layout) declare(to *batch) error {
	to.conn.AddTable(l.table)
	for _, name := range slices.Sorted(maps.Keys(l.sets)) {
		if err := to.conn.AddSet(l.sets[name], nil); err != nil {
			return fmt.Errorf("declare set %s: %w", name, err)
		}
	}
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
	to.weighs()
}

func (l *layout) refuse(to *batch) {
	tcp := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(0)}, equal(0, []byte{unix.IPPROTO_TCP})}
	l.rule(to, refuse, tcp, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	l.rule(to, refuse, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: l.unreachable}})
}

func (l *layout) checks(to *batch, pods []netip.Prefix) {
	for _, chain := range []string{checkIn, checkOut} {
		l.rule(to, chain, established())
		l.rule(to, chain, l.dial(0), []expr.Any{l.verdict(setLimits, 0)})
	}
	for _, p := range pods {
		l.rule(to, checkIn, l.from(p), gotoChain(checkInside))
	}
	l.rule(to, checkIn, gotoChain(checkAll))
	l.rule(to, checkOut, gotoChain(checkInside))
	drop, accept := []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}, []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	l.rule(to, checkInside, l.is(inside, dropping), drop)
	l.rule(to, checkInside, l.is(inside, rejecting), gotoChain(refuse))
	// One that has its own line in inside must not come to that of the others.
	l.rule(to, checkInside, l.is(inside, special), accept)
	l.rule(to, checkInside, gotoChain(checkAll))
	l.rule(to, checkAll, l.is(frontends, dropping), drop)
	l.rule(to, checkAll, l.is(frontends, rejecting), gotoChain(refuse))
}

// established lets pass what begins no connection.
func established() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)}, and(0, word(ctNew)),
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: word(0)}, &expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// is goes on if the packet's frontend is of a class.
func (l *layout) is(s set, c class) []expr.Any {
	return append(l.dial(0), constant(l.words+2, word(uint32(c))), l.in(s.String(), 0))
}

// guards goes on if the connection was dialled to a frontend of another plane's.
func (l *layout) guards() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyDST, Register: reg(0)},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(l.words)},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg(l.words + 1)},
		constant(l.words+2, word(uint32(guarded))), l.in(frontends.String(), 0),
	}
}

func (l *layout) nats(to *batch, pods []netip.Prefix) {
	ours := translated()
	if l.guard {
		ours = l.guards() // the kernel does not say that IPVS translated
		// An address of its own the node dials from that very address, which leads
		// nowhere on other nodes.
		l.rule(to, natOut, l.is(frontends, guarded), setMark(^uint32(masqueradeMark), masqueradeMark))
	}
	for _, p := range pods {
		l.rule(to, natIn, l.from(p), gotoChain(natInside))
		l.rule(to, natBack, ours, l.from(p), gotoChain(natBackInside))
	}
	for _, chain := range []string{natIn, natOut} {
		l.rule(to, chain, l.dial(0), []expr.Any{l.in(masquerade.String(), 0)}, setMark(^uint32(masqueradeMark), masqueradeMark))
	}
	l.rule(to, natIn, gotoChain(natAll))
	l.rule(to, natOut, gotoChain(natInside))
	l.rule(to, natInside, l.dial(0), []expr.Any{l.verdict(setStickyInner, 0)})
	l.rule(to, natInside, l.is(inside, special), gotoChain(natInsideOnly))
	l.rule(to, natInside, gotoChain(natAll))
	l.rule(to, natAll, l.dial(0), []expr.Any{l.verdict(setSticky, 0)})

	masq := []expr.Any{&expr.Masq{FullyRandom: true}}
	l.rule(to, natBackInside, l.load(l.source, 0), l.load(l.destination, l.words), []expr.Any{l.in(hairpins.String(), 0)}, masq)
	if !bridged(l.bridgeSwitch) {
		// Between two pods of one bridge answers do not pass this table.
		for _, p := range pods {
			l.rule(to, natBackInside, l.to(p), masq)
		}
	}
	l.rule(to, natBack, ours, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: reg(0)}, and(0, word(masqueradeMark)),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: word(0)},
	}, setMark(^uint32(masqueradeMark), 0), masq)
}

// bridged says that the kernel shows us packets that a bridge only passes on.
func bridged(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(data)) == "1"
}

// class makes the chain of a class, and the rule that leads there.
func (l *layout) class(to *batch, c class) {
	name := c.chain()
	l.chain(to, nft.Chain{Name: name})
	first, count := c&insideFlag, c&^insideFlag
	index := l.words + 2 // after the dial
	backend := index + 1
	l.rule(to, name, l.dial(0), []expr.Any{
		&expr.Numgen{Register: reg(index), Modulus: uint32(count), Type: unix.NFT_NG_RANDOM, Offset: uint32(first)},
		l.lookup(backends.String(), 0, backend),
	}, l.send(backend))
	if first != 0 {
		l.rule(to, natInsideOnly, l.is(inside, count), gotoChain(name))
	} else {
		l.rule(to, natAll, l.is(frontends, count), gotoChain(name))
	}
}

func (c class) chain() string {
	if c&insideFlag != 0 {
		return fmt.Sprintf("%s%d-%s", classPrefix, c&^insideFlag, inside)
	}
	return fmt.Sprintf("%s%d", classPrefix, c)
}
