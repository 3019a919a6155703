//go:build host || vm

package nftables

import (
	"testing"

	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

func BenchmarkPlane(b *testing.B) { proxytest.Bench(b, newPlane) }

func BenchmarkTraffic(b *testing.B) { proxytest.BenchTraffic(b, newPlane) }

func newPlane(t testing.TB) proxy.Plane {
	t.Helper()
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var harness = proxytest.Harness{New: newPlane, Can: proxytest.Abilities{
	KeepsSource: true, Drops: true, TellsInside: true, Forgets: true, Outlives: true, CarriesSCTP: true,
}}
