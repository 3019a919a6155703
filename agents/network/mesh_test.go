//go:build host

package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	nft "github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"segno/agents/runtime"
)

// lan is a wire with machines on it, each a network namespace.
type lan struct {
	t    *testing.T
	wire *machine
}

// machine is a namespace on the wire.
type machine struct {
	t     *testing.T
	name  string
	space netns.NsHandle
	links *netlink.Handle
	// For nodes.
	cfg    Config
	cidrs  []netip.Prefix
	bridge *Bridge
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	goruntime.LockOSThread() // never unlocked: the thread goes with the test
	l := &lan{t: t}
	l.wire = l.space("wire")
	l.must(l.wire.links.LinkAdd(&netlink.Bridge{LinkAttrs: named("wire")}))
	l.must(l.wire.links.LinkSetUp(l.wire.link("wire")))
	return l
}

func named(name string) netlink.LinkAttrs {
	at := netlink.NewLinkAttrs()
	at.Name = name
	return at
}

func (l *lan) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lan) space(name string) *machine {
	l.t.Helper()
	here, err := netns.Get()
	l.must(err)
	made, err := netns.New()
	l.must(err)
	l.must(netns.Set(here))
	_ = here.Close()
	m := &machine{t: l.t, name: name, space: made}
	m.links, err = netlink.NewHandleAt(made)
	l.must(err)
	l.t.Cleanup(func() {
		m.links.Close()
		_ = made.Close()
	})
	l.must(m.links.LinkSetUp(m.link("lo")))
	return m
}

// host is a machine on the wire.
func (l *lan) host(name string, addresses ...string) *machine {
	l.t.Helper()
	m := l.space(name)
	at := named(name)
	at.MasterIndex = l.wire.link("wire").Attrs().Index
	l.must(l.wire.links.LinkAdd(&netlink.Veth{LinkAttrs: at, PeerName: "eth0", PeerNamespace: netlink.NsFd(m.space)}))
	l.must(l.wire.links.LinkSetUp(l.wire.link(name)))
	m.give(addresses...)
	l.must(m.links.LinkSetUp(m.link("eth0")))
	return m
}

func (m *machine) give(addresses ...string) {
	m.t.Helper()
	for _, a := range addresses {
		if err := m.links.AddrReplace(m.link("eth0"), addressOf(netip.MustParsePrefix(a))); err != nil {
			m.t.Fatal(err)
		}
	}
}

// node is a machine with a pod network; its first address is the node's.
func (l *lan) node(cfg Config, name, cidrs string, addresses ...string) *machine {
	l.t.Helper()
	m := l.host(name, addresses...)
	m.cfg = cfg
	m.cfg.Cluster, m.cfg.Name = "c", NameFor("c", name)
	m.cfg.Address = netip.MustParsePrefix(addresses[0]).Addr()
	for text := range strings.SplitSeq(cidrs, ",") {
		m.cidrs = append(m.cidrs, netip.MustParsePrefix(text))
	}
	m.start(nil)
	return m
}

// start is what an agent does when it begins.
func (m *machine) start(held map[string]netip.Addr) {
	m.t.Helper()
	var err error
	m.in(func() {
		if m.bridge, err = NewBridge(m.cfg); err == nil {
			err = m.bridge.Setup(m.t.Context(), m.cidrs, held)
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) in(what func()) {
	m.t.Helper()
	here, err := netns.Get()
	if err == nil {
		err = netns.Set(m.space)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(here); err != nil {
			panic(err)
		}
		_ = here.Close()
	}()
	what()
}

func (m *machine) link(name string) netlink.Link {
	m.t.Helper()
	link, err := m.links.LinkByName(name)
	if err != nil {
		m.t.Fatalf("%s: link %s: %v", m.name, name, err)
	}
	return link
}

func (m *machine) peer() Peer {
	return Peer{Name: m.name, Address: m.cfg.Address, PodCIDRs: m.cidrs}
}

// meet tells each node of the others.
func meet(nodes ...*machine) {
	for _, m := range nodes {
		m.t.Helper()
		if err := m.meets(nodes...); err != nil {
			m.t.Fatalf("%s: %v", m.name, err)
		}
	}
}

func (m *machine) meets(nodes ...*machine) (err error) {
	var peers []Peer
	for _, other := range nodes {
		if other != m {
			peers = append(peers, other.peer())
		}
	}
	m.in(func() { err = m.bridge.SetPeers(context.Background(), peers) })
	return err
}

// pod starts one, and answers its addresses.
func (m *machine) pod(uid string, ports ...HostPort) (*fakePod, []netip.Addr) {
	m.t.Helper()
	p := startPod(m.t)
	var got []netip.Addr
	m.in(func() {
		var err error
		if got, err = m.bridge.Allocate(uid); err == nil {
			err = m.bridge.Attach(m.t.Context(), uid, runtime.Sandbox{PID: p.pid, Address: got[0]}, ports)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	})
	return p, got
}

func (m *machine) play(verb, what string) (said string) {
	m.in(func() { said = play(verb, what) })
	return said
}

// ways are the routes to other nodes, and who is behind them.
func (m *machine) ways() string {
	m.t.Helper()
	var out []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := m.links.RouteList(nil, family)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, r := range routes {
			if r.Protocol == routeMark {
				out = append(out, fmt.Sprintf("%s via %s", r.Dst, r.Gw))
			}
		}
	}
	tunnel, err := m.links.LinkByName(tunnelName("c"))
	if err == nil {
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6, 7} {
			entries, err := m.links.NeighList(tunnel.Attrs().Index, family)
			if err != nil {
				m.t.Fatal(err)
			}
			for _, n := range entries {
				if n.State&netlink.NUD_PERMANENT != 0 {
					out = append(out, fmt.Sprintf("%s at %s", n.IP, n.HardwareAddr))
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func on(a netip.Addr, port int) string { return net.JoinHostPort(a.String(), fmt.Sprint(port)) }

// everyPair tries all that pods of different nodes do: both ways, by both
// families, in packets of all sizes, and nobody's address is changed.
func everyPair(t *testing.T, nodes []*machine) {
	t.Helper()
	type pod struct {
		*fakePod
		at []netip.Addr
	}
	var pods []pod
	for _, m := range nodes {
		p, at := m.pod("pod of " + m.name)
		for _, what := range []string{"listen :80", "sink :81", "echo :82"} {
			expect(t, what, p.tell(what), "ok")
		}
		pods = append(pods, pod{p, at})
	}
	for i, from := range pods {
		for j, to := range pods {
			for k := range to.at {
				if i == j {
					continue
				}
				pair := nodes[i].name + " to " + on(to.at[k], 80)
				expect(t, pair, from.tell("dial "+on(to.at[k], 80)), "from "+from.at[k].String())
				expect(t, pair+" in bulk", from.tell("bulk "+on(to.at[k], 81)), fmt.Sprint(4<<20))
				for _, size := range []int{1, 1400, 1422, 1450, 1500, 9000} {
					expect(t, fmt.Sprint(pair, " in one packet of ", size), from.tell(fmt.Sprint("ask ", on(to.at[k], 82), " ", size)),
						fmt.Sprintf("from %s %d", from.at[k], size))
				}
			}
		}
		for _, m := range nodes { // from a node itself
			said := m.play("dial", on(from.at[0], 80))
			expect(t, m.name+" to a pod of "+nodes[i].name, said, "from "+gatewayOf(m.cidrs[0]).String())
		}
	}
}

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

func TestS3APortOfTheNodeLeadsToAPod(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24", "192.0.2.11/24", "2001:db8::1/64")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24")
	outside := l.host("outside", "192.0.2.9/24", "2001:db8::9/64")
	ports := []HostPort{
		{Protocol: "TCP", Port: 8080, Target: 80}, {Protocol: "UDP", Port: 8080, Target: 82},
		{Protocol: "TCP", Port: 8081, Target: 80, Address: netip.MustParseAddr("192.0.2.11")},
	}
	one, at := n1.pod("one", ports...)
	for _, what := range []string{"listen :80", "echo :82"} {
		expect(t, what, one.tell(what), "ok")
	}
	expect(t, "before the peers are known", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9")
	meet(n1, n2)
	other, _ := n1.pod("other")
	far, _ := n2.pod("far")
	for _, c := range []struct{ who, said, want string }{
		{"an outsider", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9"},
		{"an outsider by IPv6", outside.play("dial", "[2001:db8::1]:8080"), "from 2001:db8::9"},
		{"an outsider by UDP", outside.play("ask", "192.0.2.1:8080 10"), "from 192.0.2.9 10"},
		{"an outsider, to the one address", outside.play("dial", "192.0.2.11:8081"), "from 192.0.2.9"},
		{"the node", n1.play("dial", "192.0.2.1:8080"), "from 192.0.2.1"},
		{"a pod beside it", other.tell("dial 192.0.2.1:8080"), "from 10.77.1.1"},
		{"a pod of another node", far.tell("dial 192.0.2.1:8080"), "from 192.0.2.2"},
		{"itself", one.tell("dial 192.0.2.1:8080"), "from 10.77.1.1"},
		{"itself, to the one address", one.tell("dial 192.0.2.11:8081"), "from 10.77.1.1"},
	} {
		expect(t, c.who, c.said, c.want)
	}
	closed := func(what string, said string) {
		t.Helper()
		if !strings.Contains(said, "refused") {
			t.Errorf("%s: %s", what, said)
		}
	}
	closed("another address", outside.play("dial", "192.0.2.1:8081"))
	n1.in(func() {
		if err := n1.bridge.Attach(t.Context(), "one", runtime.Sandbox{PID: one.pid, Address: at[0]}, ports[1:]); err != nil {
			t.Fatal(err)
		}
	})
	closed("a port that the pod has no longer", outside.play("dial", "192.0.2.1:8080"))
	expect(t, "the others", outside.play("dial", "192.0.2.11:8081"), "from 192.0.2.9")
	n1.in(func() { l.must(n1.bridge.Release(t.Context(), "one")) })
	closed("a pod that is gone", outside.play("dial", "192.0.2.11:8081"))

	// One that goes while no agent runs.
	two, _ := n1.pod("two", ports...)
	expect(t, "listen", two.tell("listen :80"), "ok")
	expect(t, "the next pod", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9")
	n1.start(nil)
	closed("a pod that went while no agent ran", outside.play("dial", "192.0.2.1:8080"))
	bad := HostPort{Protocol: "ICMP", Port: 1, Target: 1}
	n1.in(func() {
		err := n1.bridge.publish([]netip.Addr{netip.MustParseAddr("10.77.1.9")}, []HostPort{bad})
		if err == nil || !strings.Contains(err.Error(), "must be TCP, UDP or SCTP") {
			t.Errorf("a protocol that there is not: %v", err)
		}
	})
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
