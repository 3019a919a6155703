package proxytest

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// backendsEach is how many a Service of a benchmark has.
const backendsEach = 5

// Bench measures a plane with ten and with ten thousand Services of five
// endpoints each: everything at once, everything again when nothing changed, and
// one Service whose endpoints change.
func Bench(b *testing.B, newPlane func(t testing.TB) proxy.Plane) {
	for _, n := range []int{10, 10_000} {
		state := Many(n)
		b.Run(fmt.Sprintf("Services=%d/Full", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				plane := newPlane(b)
				b.StartTimer()
				mustSync(b, plane, state)
				b.StopTimer()
				mustRemove(b, plane)
				b.StartTimer()
			}
		})
		b.Run(fmt.Sprintf("Services=%d/Unchanged", n), func(b *testing.B) {
			plane := newPlane(b)
			defer mustRemove(b, plane)
			mustSync(b, plane, state)
			for b.Loop() {
				mustSync(b, plane, state)
			}
		})
		b.Run(fmt.Sprintf("Services=%d/Change", n), func(b *testing.B) {
			before := memory()
			state := Many(n)
			plane := newPlane(b)
			defer mustRemove(b, plane)
			mustSync(b, plane, state)
			used := float64(memory()-before) / 1e6
			i := 0
			for b.Loop() {
				i++
				failed, err := plane.Set(b.Context(), []proxy.Rules{One(n/2, i)})
				if err != nil || len(failed) > 0 {
					b.Fatal(err, failed)
				}
			}
			b.ReportMetric(used, "go-MB")
		})
	}
}

func mustSync(b *testing.B, plane proxy.Plane, state proxy.State) {
	b.Helper()
	if failed, err := plane.Sync(b.Context(), state); err != nil || len(failed) > 0 {
		b.Fatal(err, failed)
	}
}

func mustRemove(b *testing.B, plane proxy.Plane) {
	b.Helper()
	if err := plane.Remove(context.WithoutCancel(b.Context())); err != nil {
		b.Fatal(err)
	}
}

// memory is what this process has on its heap and stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Many are Services for a benchmark, of five endpoints each.
func Many(n int) proxy.State {
	out := proxy.State{Inside: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}
	for i := range n {
		out.Services = append(out.Services, One(i, 0))
	}
	return out
}

// One is a Service with a cluster IP, and the endpoints that it has in a
// generation: one of them is another each time.
func One(i, generation int) proxy.Rules {
	address := func(a byte, n int) netip.Addr { return netip.AddrFrom4([4]byte{10, a, byte(n >> 8), byte(n)}) }
	c := proxy.Choice{}
	for k := range backendsEach - 1 {
		c.Backends = append(c.Backends, proxy.Backend{Address: netip.AddrPortFrom(address(200, i*backendsEach+k), tcpPort)})
	}
	c.Backends = append(c.Backends, proxy.Backend{Address: netip.AddrPortFrom(address(201, generation), tcpPort)})
	return proxy.Rules{Service: types.NamespacedName{Namespace: "bench", Name: fmt.Sprintf("s%05d", i)}, Frontends: []proxy.Frontend{{
		Dial: proxy.Dial{Protocol: corev1.ProtocolTCP, Address: address(97, i), Port: 80}, Kind: proxy.ClusterIP, Outside: c, Inside: c, Masquerade: true,
	}}}
}
