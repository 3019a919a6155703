package nftables

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// strays refuses connections to ports that a cluster IP does not have: whoever
// came to one that it has is by now on the way to a backend. That is before the
// packet finds its way: else a client beside this node could be told that
// somebody else leads to the cluster IP. One at which the node answers itself,
// as that of DNS, is the business of who listens there.
func (l *layout) strays(to *batch) {
	for _, chain := range []string{strayIn, strayOut} {
		l.rule(to, chain, established())
		l.rule(to, chain, l.load(l.destination, 0), []expr.Any{l.in(clusterIPs.String(), 0)}, gotoChain(stray))
	}
	l.rule(to, stray, []expr.Any{
		&expr.Fib{Register: reg(0), ResultADDRTYPE: true, FlagDADDR: true},
		equal(0, word(unix.RTN_LOCAL)), &expr.Verdict{Kind: expr.VerdictAccept},
	})
	l.rule(to, stray, gotoChain(refuse))
}
