package dns

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
)

// manyServices is a catalog of n Services.
func manyServices(b *testing.B, n int) *catalog.Catalog {
	b.Helper()
	c := &catalog.Catalog{}
	for i := range n {
		tell(b, c, fmt.Sprintf("kind: Service\nmetadata: {name: s%d, namespace: shop}\nspec: {clusterIP: 10.96.%d.%d}", i, i/250, i%250+1))
	}
	return c
}

// BenchmarkS7Loopback asks a running server over UDP on the loopback device,
// with several clients at once, each waiting for its answer.
func BenchmarkS7Loopback(b *testing.B) {
	for _, name := range []string{"s77.shop.svc.cluster.local.", "none.shop.svc.cluster.local.", "a.example."} {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d-clients", strings.Split(name, ".")[0], clients), func(b *testing.B) {
				up := newUpstream(b, world)
				_, at := run(b, Config{Catalog: manyServices(b, 1000), Upstreams: []netip.AddrPort{up.address}})
				took := make([][]time.Duration, clients)
				b.ResetTimer()
				var asking sync.WaitGroup
				for i := range clients {
					asking.Go(func() { took[i] = askOften(b, at, name, b.N/clients+1) })
				}
				asking.Wait()
				b.StopTimer()
				all := slices.Concat(took...)
				slices.Sort(all)
				b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "queries/s")
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}

func askOften(b *testing.B, at netip.AddrPort, name string, times int) []time.Duration {
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		b.Error(err)
		return nil
	}
	defer conn.Close()
	packet, err := new(mdns.Msg).SetQuestion(name, mdns.TypeA).Pack()
	if err != nil {
		b.Error(err)
		return nil
	}
	took, buffer := make([]time.Duration, times), make([]byte, 1500)
	for i := range took {
		start := time.Now()
		if _, err := conn.Write(packet); err != nil {
			b.Error(err)
			return nil
		}
		_ = conn.SetReadDeadline(start.Add(5 * time.Second))
		if _, err := conn.Read(buffer); err != nil {
			b.Error(err)
			return nil
		}
		took[i] = time.Since(start)
	}
	return took
}

// BenchmarkS7Change takes a changed Service into the index: what it costs does
// not depend on how many there are.
func BenchmarkS7Change(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprintf("of-%d", n), func(b *testing.B) {
			c := manyServices(b, n)
			x := newIndex()
			x.update(c, c.Names())
			changed := []types.NamespacedName{{Namespace: "shop", Name: "s7"}}
			for b.Loop() {
				x.update(c, changed)
			}
		})
	}
}
