package nftables

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// strays refuses connections to ports that a cluster IP does not have, on their
// way off this node: whoever came to one that it has is by now on the way to a
// backend. A cluster IP at which the node answers itself, as that of DNS, is
// the business of who listens there.
func (l *layout) strays(to *batch) {
	here := []expr.Any{
		&expr.Fib{Register: reg(0), ResultADDRTYPE: true, FlagDADDR: true},
		equal(0, word(unix.RTN_LOCAL)), &expr.Verdict{Kind: expr.VerdictAccept},
	}
	l.rule(to, strayOut, here)
	for _, chain := range []string{strayOn, strayOut} {
		l.rule(to, chain, established())
		l.rule(to, chain, l.load(l.destination, 0), []expr.Any{l.in(clusterIPs.String(), 0)}, gotoChain(refuse))
	}
}
