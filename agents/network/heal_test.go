//go:build host

package network

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestS8AnAgentsRestartIsNotNoticed: not one packet is lost, and what somebody
// broke meanwhile is mended.
func TestS8AnAgentsRestartIsNotNoticed(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24", "192.0.2.1/24")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24", "192.0.2.2/24")
	n3 := l.node(Config{}, "n3", "10.77.3.0/24", "192.0.2.3/24")
	outside := l.host("outside", "192.0.2.9/24")
	meet(n1, n2, n3)
	one, _ := n1.pod("one")
	two, at := n2.pod("two", HostPort{Protocol: "TCP", Port: 8080, Target: 80})
	expect(t, "echo", two.tell("echo :82"), "ok")
	expect(t, "listen", two.tell("listen :80"), "ok")
	before := n1.ways()
	tunnel := n1.link(tunnelName("c")).Attrs().Index
	expect(t, "flood", one.tell("flood "+on(at[0], 82)), "ok")
	for range 5 {
		for _, m := range []*machine{n1, n2, n3} {
			held := map[string]netip.Addr{}
			if m != n3 {
				held[map[*machine]string{n1: "one", n2: "two"}[m]] = m.cidrs[0].Addr().Next().Next()
			}
			m.start(held)
			if err := m.meets(n1, n2, n3); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect(t, "flood", one.tell("flood-end"), "0 lost, enough sent: true")
	expect(t, "ways", n1.ways(), before)
	if after := n1.link(tunnelName("c")).Attrs().Index; after != tunnel {
		t.Errorf("the tunnel was made anew: %d, %d", tunnel, after)
	}
	expect(t, "host port", outside.play("dial", "192.0.2.2:8080"), "from 192.0.2.9")

	// Somebody removes and adds things by hand.
	n1.in(func() {
		link := n1.link(tunnelName("c"))
		entries, err := netlink.NeighList(link.Attrs().Index, 7)
		if err != nil || len(entries) == 0 {
			t.Fatal(entries, err)
		}
		entries[0].Flags = netlink.NTF_SELF
		if err := netlink.NeighDel(&entries[0]); err != nil {
			t.Fatal(err)
		}
		stray := neighbour{netlink.FAMILY_V4, netip.MustParseAddr("10.77.8.0"), ""}
		if err := stray.write(link, hardwareOfNode(stray.address)); err != nil {
			t.Fatal(err)
		}
		if err := netlink.RouteDel(&netlink.Route{Dst: ipNet(n2.cidrs[0]), LinkIndex: link.Attrs().Index}); err != nil {
			t.Fatal(err)
		}
	})
	meet(n1, n2, n3)
	expect(t, "ways after mending", n1.ways(), before)
	n1.in(func() {
		if err := netlink.LinkDel(n1.link(tunnelName("c"))); err != nil {
			t.Fatal(err)
		}
	})
	meet(n1, n2, n3)
	expect(t, "ways after the tunnel was gone", n1.ways(), before)
	expect(t, "one to two", one.tell("dial "+on(at[0], 80)), "from 10.77.1.2")
}

// TestS8APartitionHeals, and a node that came back elsewhere is found there, and
// nowhere else.
func TestS8APartitionHeals(t *testing.T) {
	for _, backend := range []Backend{VXLAN, HostGW} {
		t.Run(string(backend), func(t *testing.T) {
			l := newLAN(t)
			cfg := Config{Backend: backend}
			n1 := l.node(cfg, "n1", "10.77.1.0/24", "192.0.2.1/24")
			n2 := l.node(cfg, "n2", "10.77.2.0/24", "192.0.2.2/24")
			n3 := l.node(cfg, "n3", "10.77.3.0/24", "192.0.2.3/24")
			all := []*machine{n1, n2, n3}
			meet(all...)
			one, _ := n1.pod("one")
			two, at := n2.pod("two")
			three, _ := n3.pod("three")
			expect(t, "listen", two.tell("listen :80"), "ok")
			expect(t, "before", one.tell("dial "+on(at[0], 80)), "from 10.77.1.2")
			before := n1.ways()

			l.must(l.wire.links.LinkSetDown(l.wire.link("n2")))
			if said := one.tell("dial " + on(at[0], 80)); strings.HasPrefix(said, "from") {
				t.Errorf("through a broken wire: %s", said)
			}
			l.must(l.wire.links.LinkSetUp(l.wire.link("n2")))
			eventually(t, "after the wire was mended", func() string { return one.tell("dial " + on(at[0], 80)) }, "from 10.77.1.2")
			expect(t, "ways", n1.ways(), before)

			// The node is removed, and comes back with another address.
			meet(n1, n3)
			if ways := n1.ways(); strings.Contains(ways, "10.77.2.0") || strings.Contains(ways, "192.0.2.2") {
				t.Errorf("stale:\n%s", ways)
			}
			n2.in(func() {
				if err := netlink.AddrDel(n2.link("eth0"), addressOf(netip.MustParsePrefix("192.0.2.2/24"))); err != nil {
					t.Fatal(err)
				}
			})
			n2.give("192.0.2.22/24")
			n2.cfg.Address = netip.MustParseAddr("192.0.2.22")
			n2.start(map[string]netip.Addr{"two": at[0]})
			meet(all...)
			expect(t, "at its new address", one.tell("dial "+on(at[0], 80)), "from 10.77.1.2")
			expect(t, "at its new address", three.tell("dial "+on(at[0], 80)), "from 10.77.3.2")
			// And changes it while all know it, and its pods' range.
			n2.give("192.0.2.23/24")
			n2.cfg.Address = netip.MustParseAddr("192.0.2.23")
			n2.start(map[string]netip.Addr{"two": at[0]})
			meet(all...)
			expect(t, "at its third address", three.tell("dial "+on(at[0], 80)), "from 10.77.3.2")
			n2.in(func() { l.must(n2.bridge.Release(t.Context(), "two")) })
			n2.cidrs = []netip.Prefix{netip.MustParsePrefix("10.77.12.0/24")}
			n2.in(func() { l.must(n2.bridge.Setup(t.Context(), n2.cidrs, nil)) })
			meet(all...)
			four, at := n2.pod("four")
			expect(t, "listen", four.tell("listen :80"), "ok")
			expect(t, "in its new range", one.tell("dial "+on(at[0], 80)), "from 10.77.1.2")
			if ways := n1.ways(); strings.Contains(ways, "10.77.2.0") || strings.Contains(ways, "192.0.2.2 ") || strings.Contains(ways, "192.0.2.22") {
				t.Errorf("stale:\n%s", ways)
			}
		})
	}
}

func eventually(t *testing.T, what string, said func() string, want string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if got = said(); got == want {
			return
		}
	}
	t.Errorf("%s: %q, want %q", what, got, want)
}
