//go:build uml || vm

package ipvs

import (
	"context"
	"testing"

	"github.com/vishvananda/netlink"

	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

func newPlane(t testing.TB) proxy.Plane {
	t.Helper()
	p, err := New(Config{Guard: guard()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var harness = proxytest.Harness{New: newPlane, Can: proxytest.Abilities{KeepsSource: true, Drops: true, Outlives: true, CarriesSCTP: true}}

func TestS3IPVSIsAPlane(t *testing.T) { proxytest.Run(t, harness) }

// loopback is up on every node; without it IPVS takes no backend.
func loopback(t testing.TB) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nothing is a guard that does nothing: benchmarks measure IPVS.
type nothing struct{}

func (nothing) Sync(context.Context, proxy.State) (proxy.Failures, error)  { return nil, nil }
func (nothing) Set(context.Context, []proxy.Rules) (proxy.Failures, error) { return nil, nil }
func (nothing) Remove(context.Context) error                               { return nil }

func BenchmarkPlane(b *testing.B) {
	proxytest.Bench(b, func(t testing.TB) proxy.Plane {
		t.Helper()
		loopback(t)
		p, err := New(Config{Guard: nothing{}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

func BenchmarkTraffic(b *testing.B) { proxytest.BenchTraffic(b, newPlane) }
