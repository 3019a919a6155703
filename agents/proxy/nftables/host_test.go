//go:build host

package nftables

import (
	"testing"

	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

func newPlane(t testing.TB) proxy.Plane {
	t.Helper()
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestS3NftablesIsAPlane(t *testing.T) {
	proxytest.Run(t, proxytest.Harness{New: newPlane, Can: proxytest.Abilities{
		KeepsSource: true, Drops: true, TellsInside: true, Forgets: true, Outlives: true,
	}})
}
