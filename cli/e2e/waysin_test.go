//go:build host

package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestS5S9WaysInAndWalls has three machines that are nodes, and a client beside them:
// what policies hold pods to, and how clients come by Ingresses and by load balancer
// addresses.
func TestS5S9WaysInAndWalls(t *testing.T) {
	w := newWire(t)
	f := w.fleetOf([]string{"--load-balancer-pool", "192.0.2.240-192.0.2.249", "--proxy-mode", "nftables"}, []string{"--proxy-mode", "nftables"}, w.nodes("one", "two", "three")...)
	f.part("NetworkPolicy", (*fleet).walled)
	f.part("S9Ingress", (*fleet).enters)
	f.part("S5LoadBalancer", (*fleet).balanced)
}

// applyAs applies a file in which words stand for others.
func (f *fleet) applyAs(file string, flags []string, words ...string) {
	f.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	said := strings.NewReplacer(words...).Replace(string(text))
	if out, status := f.feed("segno", []byte(said), append([]string{"apply", "-f", "-"}, flags...)...); status != 0 {
		f.Fatal(out)
	}
}
