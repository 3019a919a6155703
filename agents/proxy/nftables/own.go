package nftables

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// mostAmong backends take the clients of one frontend that come back: its chain
// has some rules for each, which are written in one transaction.
const mostAmong = 2000

// own is a chain that one frontend has for itself: because only some may use it,
// or because clients come back to the same backend.
type own struct {
	family int
	of     string // the verdict map that leads there
	dial   proxy.Dial
}

// ownOf are a frontend's own chains, with what fills each.
func ownOf(f *proxy.Frontend, do func(own, func(l *layout, to *batch, chain string))) {
	v6 := of(f.Dial.Address)
	if f.Limited {
		do(own{v6, setLimits, f.Dial}, func(l *layout, to *batch, chain string) { l.limit(to, chain, f) })
	}
	if f.Affinity == 0 {
		return
	}
	if len(f.Outside.Backends) > 0 {
		do(own{v6, setSticky, f.Dial}, func(l *layout, to *batch, chain string) { l.stick(to, chain, f.Outside.Backends, f.Affinity) })
	}
	if f.Split() && len(f.Inside.Backends) > 0 {
		do(own{v6, setStickyInner, f.Dial}, func(l *layout, to *batch, chain string) { l.stick(to, chain, f.Inside.Backends, f.Affinity) })
	}
}

func (o own) chain() string {
	address := strings.ReplaceAll(o.dial.Address.String(), ":", "_")
	return fmt.Sprintf("%s.%s-%s-%d", o.of, o.dial.Protocol, address, o.dial.Port)
}

func (o own) element() nft.SetElement {
	kind := expr.VerdictGoto
	if o.of == setLimits {
		kind = expr.VerdictJump
	}
	return nft.SetElement{Key: dialBytes(o.dial), VerdictData: &expr.Verdict{Kind: kind, Chain: o.chain()}}
}

// owned says that a chain's name is one of ours.
func owned(name string) bool {
	return slices.ContainsFunc([]string{setLimits + ".", setSticky + ".", setStickyInner + "."}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// limit drops all but those whom the frontend wants.
func (l *layout) limit(to *batch, chain string, f *proxy.Frontend) {
	for _, p := range f.Sources {
		l.rule(to, chain, l.from(p), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}})
	}
	l.rule(to, chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}})
}

// stick sends clients where they were, and others to one at random. The set of
// clients knows backends by a number that stays the same whichever others there
// are.
func (l *layout) stick(to *batch, chain string, among []proxy.Backend, timeout time.Duration) {
	among = among[:min(len(among), mostAmong)]
	dial := l.words
	number := dial + l.words + 2
	for _, b := range among {
		l.rule(to, chain, l.client(dial, number, b), []expr.Any{l.in(setClients, 0)}, l.remember(timeout), l.sendTo(b))
	}
	for i, b := range among {
		l.rule(to, chain, oneOf(len(among)-i), l.client(dial, number, b), l.remember(timeout), l.sendTo(b))
	}
	// When no more clients can be remembered, one is as good as another.
	for i, b := range among {
		l.rule(to, chain, oneOf(len(among)-i), l.sendTo(b))
	}
}

// oneOf goes on in one of so many cases.
func oneOf(n int) []expr.Any {
	if n == 1 {
		return nil
	}
	return []expr.Any{&expr.Numgen{Register: reg(0), Modulus: uint32(n), Type: unix.NFT_NG_RANDOM}, equal(0, word(0))}
}

// client loads who dials what, and the number of a backend.
func (l *layout) client(dial, number uint32, b proxy.Backend) []expr.Any {
	return append(append(l.load(l.source, 0), l.dial(dial)...), constant(number, word(numberOf(b))))
}

// remember notes the client that is loaded.
func (l *layout) remember(timeout time.Duration) []expr.Any {
	s := l.sets[setClients]
	return []expr.Any{&expr.Dynset{SrcRegKey: reg(0), SetName: s.Name, SetID: s.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: timeout}}
}

// sendTo translates the destination to a backend.
func (l *layout) sendTo(b proxy.Backend) []expr.Any {
	return append([]expr.Any{
		constant(0, bytesOf(b.Address.Addr())), constant(l.words, port(b.Address.Port())[:2]),
	}, l.send(0)...)
}

func numberOf(b proxy.Backend) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(backendBytes(b))
	return h.Sum32()
}
