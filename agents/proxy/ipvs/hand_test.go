//go:build uml

package ipvs

import (
	"fmt"
	"strings"
	"testing"

	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

// BenchmarkByHand has the tools ipvsadm and ip make the virtual servers and
// addresses that the plane makes of the same Services, and change one of them.
func BenchmarkByHand(b *testing.B) {
	loopback(b)
	do := func(b *testing.B, text, program string, args ...string) {
		b.Helper()
		if err := feed(text, program, args...); err != nil {
			b.Fatalf("%.300v", err)
		}
	}
	for _, n := range []int{10, 10_000} {
		var servers, addresses strings.Builder
		for _, r := range proxytest.Many(n).Services {
			f := &r.Frontends[0]
			fmt.Fprintf(&servers, "-A -t %s:80 -s rr\n", f.Dial.Address)
			for _, to := range f.Outside.Backends {
				fmt.Fprintf(&servers, "-a -t %s:80 -r %s -m -w 1\n", f.Dial.Address, to.Address)
			}
			fmt.Fprintf(&addresses, "address add %s/32 dev by-hand\n", f.Dial.Address)
		}
		clean := func(b *testing.B) {
			b.Helper()
			do(b, "", "ipvsadm", "-C")
			_ = feed("link del by-hand\n", "ip", "-batch", "-")
			do(b, "link add by-hand type dummy\nlink set by-hand up\n", "ip", "-batch", "-")
		}
		b.Run(fmt.Sprintf("Services=%d/Full", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				clean(b)
				b.StartTimer()
				do(b, servers.String(), "ipvsadm", "-R")
				do(b, addresses.String(), "ip", "-batch", "-")
			}
		})
		b.Run(fmt.Sprintf("Services=%d/Change", n), func(b *testing.B) {
			at := proxytest.One(n/2, 0).Frontends[0].Dial.Address
			backend := func(i int) proxy.Backend { return proxytest.One(n/2, i).Frontends[0].Outside.Backends[4] }
			for i := 0; b.Loop(); i++ {
				do(b, fmt.Sprintf("-a -t %s:80 -r %s -m -w 1\n-e -t %s:80 -r %s -m -w 0\n", at, backend(i+1).Address, at, backend(i).Address), "ipvsadm", "-R")
			}
		})
		clean(b)
		_ = feed("link del by-hand\n", "ip", "-batch", "-")
	}
}
