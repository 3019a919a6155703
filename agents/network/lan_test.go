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
