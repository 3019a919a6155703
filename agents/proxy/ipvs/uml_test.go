//go:build uml

package ipvs

import (
	"testing"

	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

func newPlane(t testing.TB) proxy.Plane {
	t.Helper()
	p, err := New(Config{Guard: &tables{t: t}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var harness = proxytest.Harness{New: newPlane, Can: proxytest.Abilities{KeepsSource: true, Drops: true, Outlives: true}}

func TestS3IPVSIsAPlane(t *testing.T) { proxytest.Run(t, harness) }
