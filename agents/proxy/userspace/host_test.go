//go:build host

package userspace

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

func TestS3UserspaceIsAPlane(t *testing.T) {
	proxytest.Run(t, proxytest.Harness{New: newPlane, Can: proxytest.Abilities{
		TellsInside: true, Forgets: true, TriesNext: true,
	}})
}
