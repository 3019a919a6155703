//go:build host

package network

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	nft "github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

func TestS8PodsOfThreeNodesReachEachOtherByVXLAN(t *testing.T) {
	l := newLAN(t)
	nodes := []*machine{
		l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24"),
		l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24"),
		l.node(Config{}, "n3", "10.77.3.0/24,fd77:3::/64", "192.0.2.3/24"),
	}
	meet(nodes...)
	everyPair(t, nodes)
	if got := nodes[0].link(tunnelName("c")).Attrs().MTU; got != 1450 {
		t.Errorf("MTU %d", got)
	}
}

func TestS8PodsReachEachOtherOverIPv6(t *testing.T) {
	l := newLAN(t)
	nodes := []*machine{
		l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "2001:db8::1/64"),
		l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "2001:db8::2/64"),
	}
	meet(nodes...)
	everyPair(t, nodes)
	if got := nodes[0].link(tunnelName("c")).Attrs().MTU; got != 1430 {
		t.Errorf("MTU %d", got)
	}
}

func TestS8PodsReachEachOtherByHostRoutes(t *testing.T) {
	l := newLAN(t)
	direct := Config{Backend: HostGW}
	nodes := []*machine{
		l.node(direct, "n1", "10.77.1.0/24", "192.0.2.1/24"),
		l.node(direct, "n2", "10.77.2.0/24", "192.0.2.2/24"),
	}
	meet(nodes...)
	everyPair(t, nodes)
	expect(t, "ways", nodes[0].ways(), "10.77.2.0/24 via 192.0.2.2")
	// One behind a router is named, and the others stay.
	far := &machine{name: "far", cfg: Config{Address: netip.MustParseAddr("198.51.100.1")}, cidrs: []netip.Prefix{netip.MustParsePrefix("10.77.9.0/24")}}
	nodes[0].in(func() {
		way := &netlink.Route{Gw: net.ParseIP("192.0.2.2")}
		if err := netlink.RouteAdd(way); err != nil {
			t.Fatal(err)
		}
	})
	if err := nodes[0].meets(nodes[0], nodes[1], far); err == nil || !strings.Contains(err.Error(), "node far: its address 198.51.100.1 is not on a network segment of this machine") {
		t.Errorf("a node behind a router: %v", err)
	}
	expect(t, "ways", nodes[0].ways(), "10.77.2.0/24 via 192.0.2.2")
	// And from one backend to the other, and back.
	for _, backend := range []Backend{VXLAN, HostGW} {
		for _, m := range nodes {
			m.cfg.Backend = backend
			held := map[string]netip.Addr{"pod of " + m.name: m.cidrs[0].Addr().Next().Next()}
			m.start(held)
		}
		meet(nodes...)
		if said := nodes[0].play("dial", "10.77.2.2:80"); said != "from 10.77.1.1" {
			t.Errorf("by %s: %s\n%s", backend, said, nodes[0].ways())
		}
	}
	expect(t, "ways", nodes[0].ways(), "10.77.2.0/24 via 192.0.2.2")
}

func TestS8WhatLeavesTheClusterHasTheNodesAddress(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24", "2001:db8::1/64")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24", "2001:db8::2/64")
	outside := l.host("outside", "192.0.2.9/24", "2001:db8::9/64")
	outside.in(func() { expect(t, "listen", play("listen", ":80"), "ok") })
	n1.in(foreignRule(t))
	meet(n1, n2)
	pod, _ := n1.pod("one")
	expect(t, "to the outside", pod.tell("dial 192.0.2.9:80"), "from 192.0.2.1")
	expect(t, "to the outside by IPv6", pod.tell("dial [2001:db8::9]:80"), "from 2001:db8::1")
	n2.in(func() { expect(t, "listen", play("listen", ":80"), "ok") })
	expect(t, "to another node", pod.tell("dial 192.0.2.2:80"), "from 192.0.2.1")
	n1.in(func() { expect(t, "listen", play("listen", ":80"), "ok") })
	expect(t, "to its own node", pod.tell("dial 192.0.2.1:80"), "from 10.77.1.2")
	n1.in(func() {
		for range 2 {
			if err := n1.bridge.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, "tables", tableNames(t), "foreign")
	})
}

// TestS8WhatIsMasqueradedOnTheWayToAnotherNodeHasAnAddressThatItKnows, whatever
// other addresses the machine has: as of a client who comes by a node port to
// another node's pod.
func TestS8WhatIsMasqueradedOnTheWayToAnotherNodeHasAnAddressThatItKnows(t *testing.T) {
	for _, test := range []struct {
		backend     Backend
		from, from6 string
	}{{VXLAN, "10.77.1.1", "fd77:1::1"}, {HostGW, "192.0.2.1", ""}} {
		t.Run(string(test.backend), func(t *testing.T) {
			l := newLAN(t)
			cfg := Config{Backend: test.backend}
			ranges := [2]string{"10.77.1.0/24", "10.77.2.0/24"}
			if test.from6 != "" {
				ranges = [2]string{"10.77.1.0/24,fd77:1::/64", "10.77.2.0/24,fd77:2::/64"}
			}
			n1 := l.node(cfg, "n1", ranges[0], "192.0.2.1/24", "2001:db8::1/64")
			n2 := l.node(cfg, "n2", ranges[1], "192.0.2.2/24", "2001:db8::2/64")
			outside := l.host("outside", "192.0.2.9/24", "2001:db8::9/64")
			n1.give("198.51.100.50/24") // on the same wire, and nobody else's
			for _, a := range []string{"203.0.113.50/32", "fd77:2:ffff::50/128"} {
				l.must(n1.links.AddrAdd(n1.link("lo"), addressOf(netip.MustParsePrefix(a))))
			}
			meet(n1, n2)
			two, _ := n2.pod("two")
			expect(t, "listen", two.tell("listen :80"), "ok")
			n1.in(func() {
				rules := exec.Command("nft", "-f", "-")
				rules.Stdin = strings.NewReader(`
table ip foreign {
	chain in { type nat hook prerouting priority dstnat; tcp dport 30080 dnat to 10.77.2.2:80
	}
	chain leave { type nat hook postrouting priority srcnat; ct status dnat masquerade
	}
}
table ip6 foreign {
	chain in { type nat hook prerouting priority dstnat; tcp dport 30080 dnat to [fd77:2::2]:80
	}
	chain leave { type nat hook postrouting priority srcnat; ct status dnat masquerade
	}
}
`)
				if out, err := rules.CombinedOutput(); err != nil {
					t.Fatalf("nft (setup/packages.sh nftables installs it): %v: %s", err, out)
				}
			})
			expect(t, "by a port of the node", outside.play("dial", "192.0.2.1:30080"), "from "+test.from)
			if test.from6 != "" {
				expect(t, "by IPv6", outside.play("dial", "[2001:db8::1]:30080"), "from "+test.from6)
			}
			// It is given another range, and goes on with that one.
			n1.cidrs = []netip.Prefix{netip.MustParsePrefix("10.77.11.0/24")}
			n1.start(nil)
			meet(n1, n2)
			if test.backend == VXLAN {
				test.from = "10.77.11.1"
			}
			expect(t, "from the node itself", n1.play("dial", "10.77.2.2:80"), "from 10.77.11.1")
			expect(t, "in another range", outside.play("dial", "192.0.2.1:30080"), "from "+test.from)
		})
	}
}

// TestS8AdministratorsCanReadTheTables with the tool that they have.
func TestS8AdministratorsCanReadTheTables(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24")
	meet(n1, n2)
	n1.pod("one", HostPort{Protocol: "TCP", Port: 8080, Target: 80}, HostPort{Protocol: "UDP", Port: 53, Target: 53, Address: netip.MustParseAddr("192.0.2.1")})
	n1.in(func() {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		if err != nil {
			t.Fatalf("nft (setup/packages.sh nftables installs it): %v: %s", err, out)
		}
		for _, want := range []string{"table ip " + tablePrefix, "tcp . 8080 : 10.77.1.2 . 80", "192.0.2.1 . udp . 53 : 10.77.1.2 . 53", "10.77.1.0/24", "masquerade"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("nothing like %q in\n%s", want, out)
			}
		}
	})
}

// foreignRule makes a table of somebody else's.
func foreignRule(t *testing.T) func() {
	return func() {
		conn, err := nft.New()
		if err != nil {
			t.Fatal(err)
		}
		conn.AddTable(&nft.Table{Name: "foreign", Family: nft.TableFamilyIPv4})
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

func tableNames(t *testing.T) string {
	t.Helper()
	conn, err := nft.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range tables {
		names = append(names, table.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestS8APodHasIPv6ThoughItsEngineTurnedItOff.
func TestS8APodHasIPv6ThoughItsEngineTurnedItOff(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24")
	p := startPod(t)
	for _, of := range []string{"all", "default"} {
		if out, err := exec.Command("nsenter", "-t", fmt.Sprint(p.pid), "-n", "sysctl", "-w", "net.ipv6.conf."+of+".disable_ipv6=1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	n1.in(func() { p.attach(n1.bridge, "one") })
	expect(t, "listen", p.tell("listen :80"), "ok")
	expect(t, "node to pod", n1.play("dial", "[fd77:1::2]:80"), "from fd77:1::1")
}

// TestS8APodReachesItselfByTheBridge: what goes out by a link may come back by
// it, as when a Service has the pod that asks.
func TestS8APodReachesItselfByTheBridge(t *testing.T) {
	enter(t)
	b := newTestBridge(t, "", "10.77.0.0/24", nil)
	one := startPod(t)
	one.attach(b, "one")
	link, err := netlink.LinkByName(cableName("one"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := netlink.LinkGetProtinfo(link)
	if err != nil || !info.Hairpin {
		t.Errorf("hairpin %t, %v", info.Hairpin, err)
	}
}

// TestS8ABrokenPeerKeepsNoOtherAway.
func TestS8ABrokenPeerKeepsNoOtherAway(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24", "192.0.2.1/24")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24", "192.0.2.2/24")
	n1.in(func() { // somebody's own route
		way := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("10.77.5.0/24")), Gw: net.ParseIP("192.0.2.77")}
		if err := netlink.RouteAdd(way); err != nil {
			t.Fatal(err)
		}
		bad := []Peer{
			{Name: "all", Address: netip.MustParseAddr("192.0.2.90"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
			{Name: "wire", Address: netip.MustParseAddr("192.0.2.91"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}},
			{Name: "mine", Address: netip.MustParseAddr("192.0.2.92"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.1.128/25")}},
			{Name: "nowhere", PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.7.0/24")}},
			{Name: "zz-twice", Address: netip.MustParseAddr("192.0.2.93"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.2.0/24")}},
			{Name: "other-family", Address: netip.MustParseAddr("2001:db8::4"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.8.0/24")}},
			{Name: "routed", Address: netip.MustParseAddr("192.0.2.94"), PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.77.5.0/24")}},
		}
		err := n1.bridge.SetPeers(t.Context(), append(bad, n2.peer()))
		for _, p := range bad {
			if err == nil || !strings.Contains(err.Error(), "node "+p.Name+":") {
				t.Errorf("%s is not named: %v", p.Name, err)
			}
		}
	})
	l.must(n2.meets(n1, n2))
	one, _ := n1.pod("one")
	two, at := n2.pod("two")
	expect(t, "listen", two.tell("listen :80"), "ok")
	expect(t, "the good one", one.tell("dial "+on(at[0], 80)), "from 10.77.1.2")
	if ways := n1.ways(); strings.Count(ways, " via ") != 1 {
		t.Errorf("ways:\n%s", ways)
	}
}

// TestS8AThousandPeers: what a change costs, and that nothing is left.
func TestS8AThousandPeers(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.0.0.0/24", "192.0.2.1/24")
	var peers []Peer
	for i := range 1000 {
		peers = append(peers, Peer{
			Name: fmt.Sprint("p", i), Address: netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}),
			PodCIDRs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(1 + i>>8), byte(i), 0}), 24)},
		})
	}
	for _, step := range []struct {
		what  string
		peers []Peer
		want  int
	}{{"all come", peers, 1000}, {"nothing changes", peers, 1000}, {"one goes", peers[1:], 999}, {"half go", peers[500:], 500}, {"all go", nil, 0}} {
		began := time.Now()
		n1.in(func() { l.must(n1.bridge.SetPeers(t.Context(), step.peers)) })
		t.Logf("%s: %s", step.what, time.Since(began).Round(100*time.Microsecond))
		if got := strings.Count(n1.ways(), " via "); got != step.want {
			t.Errorf("%s: %d routes, want %d", step.what, got, step.want)
		}
	}
}
