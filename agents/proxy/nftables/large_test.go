//go:build host

package nftables

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// TestS4ManyStickyServices have chains of their own, of more rules than the
// kernel takes at once.
func TestS4ManyStickyServices(t *testing.T) {
	var log strings.Builder
	p, err := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, nil, p.Remove(context.Background())) }()
	var all []proxy.Rules
	const services = 250
	for i := range services {
		endpoints := 100
		if i == 7 {
			endpoints = 10_000 // somebody's own EndpointSlices
		}
		f := proxy.Frontend{Kind: proxy.ClusterIP, Affinity: time.Hour, Masquerade: true, Dial: proxy.Dial{
			Protocol: corev1.ProtocolTCP, Address: netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}), Port: 80,
		}}
		for j := range endpoints {
			f.Outside.Backends = append(f.Outside.Backends, proxy.Backend{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(j >> 8), byte(i), byte(j)}), 8080)})
		}
		f.Inside = f.Outside
		all = append(all, proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: fmt.Sprint("s", i)}, Frontends: []proxy.Frontend{f}})
	}
	for _, what := range []string{"made", "compared"} {
		failed, err := p.Sync(t.Context(), state(all...))
		if must(t, failed, err); log.Len() > 0 {
			t.Fatalf("%s: %s", what, log.String())
		}
	}
	failed, err := p.Sync(t.Context(), state())
	if must(t, failed, err); strings.Contains(dump(t, p), setSticky+".") || log.Len() > 0 {
		t.Errorf("left: %s, %s", dump(t, p), log.String())
	}
}
