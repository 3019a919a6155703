//go:build host

package announce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/catalog"
)

const (
	vip, vip6         = "192.0.2.240", "2001:db8:1::f0"
	foreign, foreign6 = "192.0.2.99", "2001:db8:1::99"
	limit             = 20 * time.Second
)

// machine is a network namespace on the wire.
type machine struct {
	t      *testing.T
	name   string
	handle netns.NsHandle
	links  *netlink.Handle
}

// do runs something in the namespace; sockets that it opens stay there.
func (m *machine) do(what func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err != nil {
		return err
	}
	defer func() { _ = here.Close() }()
	if err := netns.Set(m.handle); err != nil {
		return err
	}
	return errors.Join(what(), netns.Set(here))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	m := &machine{t: t, name: name}
	func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		here, err := netns.Get()
		must(t, err)
		m.handle, err = netns.New()
		must(t, errors.Join(err, netns.Set(here), here.Close()))
	}()
	var err error
	m.links, err = netlink.NewHandleAt(m.handle)
	must(t, err)
	t.Cleanup(func() {
		m.links.Close()
		_ = m.handle.Close()
	})
	must(t, m.links.LinkSetUp(m.link("lo")))
	return m
}

func (m *machine) link(name string) netlink.Link {
	m.t.Helper()
	l, err := m.links.LinkByName(name)
	must(m.t, err)
	return l
}

func (m *machine) give(link string, addresses ...string) {
	m.t.Helper()
	for _, text := range addresses {
		p := netip.MustParsePrefix(text)
		a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		must(m.t, m.links.AddrReplace(m.link(link), a))
	}
}

func (m *machine) set(path, value string) {
	m.t.Helper()
	must(m.t, m.do(func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644) }))
}

func (m *machine) hardware() string { return m.link("eth0").Attrs().HardwareAddr.String() }

// lan is a wire with nodes and a client.
type lan struct {
	t      *testing.T
	client *machine
	nodes  map[string]*machine
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	wire := newMachine(t, "wire")
	at := netlink.NewLinkAttrs()
	at.Name = "wire"
	must(t, wire.links.LinkAdd(&netlink.Bridge{LinkAttrs: at}))
	must(t, wire.links.LinkSetUp(wire.link("wire")))
	l := &lan{t: t, nodes: map[string]*machine{}}
	for i, name := range []string{"n1", "n2", "client"} {
		m := newMachine(t, name)
		at := netlink.NewLinkAttrs()
		at.Name, at.MasterIndex = name, wire.link("wire").Attrs().Index
		must(t, wire.links.LinkAdd(&netlink.Veth{LinkAttrs: at, PeerName: "eth0", PeerNamespace: netlink.NsFd(m.handle)}))
		must(t, wire.links.LinkSetUp(wire.link(name)))
		must(t, m.links.LinkSetHardwareAddr(m.link("eth0"), hardwareOf(name)))
		must(t, m.links.LinkSetUp(m.link("eth0")))
		m.give("eth0", fmt.Sprintf("192.0.2.%d/24", i+1), fmt.Sprintf("2001:db8:1::%d/64", i+1))
		if name != "client" {
			l.nodes[name] = m
		} else {
			l.client = m
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} { // an address that is nobody's is given up soon
		l.client.set(family+"/neigh/eth0/retrans_time_ms", "100")
	}
	return l
}

// serve has a node answer with its name at addresses that the kernel takes for
// its own, as the userspace plane has it do.
func (l *lan) serve(m *machine, addresses ...string) {
	l.t.Helper()
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		m.give("lo", netip.PrefixFrom(a, a.BitLen()).String())
		var listener net.Listener
		must(l.t, m.do(func() (err error) {
			listener, err = net.Listen("tcp", netip.AddrPortFrom(a, 80).String())
			return err
		}))
		l.t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, m.name)
				_ = conn.Close()
			}
		}()
	}
}

// announce runs an announcer on a node until the test or the answered function
// ends it.
func (l *lan) announce(name string, c *catalog.Catalog, inTouch func() bool) (stop func()) {
	l.t.Helper()
	return l.announceTo(name, c, inTouch, nil)
}

func (l *lan) announceTo(name string, c *catalog.Catalog, inTouch func() bool, log *slog.Logger) (stop func()) {
	l.t.Helper()
	a, err := New(Config{Catalog: c, Node: name, Address: netip.MustParseAddr("192.0.2.1"), InTouch: inTouch, Logger: log})
	must(l.t, err)
	a.in = l.nodes[name].do
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			l.t.Errorf("%s: %v", name, err)
		}
		ended <- context.Canceled
	}
	l.t.Cleanup(stop)
	return stop
}

// reach dials an address from the client, and answers who is there.
func (l *lan) reach(address string) (who string, err error) {
	err = l.client.do(func() error {
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(l.t.Context(), "tcp", net.JoinHostPort(address, "80"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		text, err := io.ReadAll(conn)
		who = string(text)
		return err
	})
	return who, err
}

// knows is where the client believes an address to be.
func (l *lan) knows(address string) string {
	l.t.Helper()
	family := netlink.FAMILY_V4
	if netip.MustParseAddr(address).Is6() {
		family = netlink.FAMILY_V6
	}
	all, err := l.client.links.NeighList(l.client.link("eth0").Attrs().Index, family)
	must(l.t, err)
	for _, n := range all {
		if n.IP.String() == address {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

func (l *lan) eventually(what string, holds func() bool) time.Duration {
	l.t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			l.t.Fatalf("it did not come to pass: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// answers are the hardware addresses that answer a question of the client's.
func (l *lan) answers(address string) (all []string) {
	l.t.Helper()
	var p *port
	a := netip.MustParseAddr(address)
	must(l.t, l.client.do(func() error {
		links, err := linksOf(netip.Addr{})
		if err == nil {
			p, err = openPort(links[0], a.Is6())
		}
		return err
	}))
	defer p.close()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
	defer cancel()
	if a.Is6() {
		ask := neighbour{from: p.local, to: solicitedNode(a), target: a, link: p.hardware}
		must(l.t, p.write(ctx, groupLink(ask.to), ask.bytes()))
	} else {
		ask := arp{sender: p.hardware, senderIP: netip.MustParseAddr("192.0.2.3"), target: make(net.HardwareAddr, 6), wanted: a}
		must(l.t, p.write(ctx, everybody, ask.bytes()))
	}
	buffer := make([]byte, longest)
	for {
		packet, from, err := p.read(ctx, buffer)
		if err != nil {
			return all
		}
		if m, err := p.understand(packet, from); err == nil && m.claims == a && !slices.Contains(all, m.by.String()) {
			all = append(all, m.by.String())
		}
	}
}

// other is the node that is not the given one.
func other(name string) string { return map[string]string{"n1": "n2", "n2": "n1"}[name] }

func TestS5AnAddressIsFoundAtOneNodeAndMovesWhenThatFails(t *testing.T) {
	l := newLAN(t)
	c := &catalog.Catalog{}
	tell(t, c, node("n1", ""), node("n2", ""), service("web", vip, vip6))
	theirs := service("theirs", foreign, foreign6)
	theirs.Status.Conditions = nil
	tell(t, c, theirs)
	for name, m := range l.nodes {
		l.serve(m, vip, vip6)
		if name == "n1" { // nobody but its kernel would answer
			l.serve(m, foreign6)
		}
		l.announce(name, c, nil)
		l.eventually("the kernel is quiet", func() bool {
			var is []byte
			must(t, m.do(func() (err error) { is, err = os.ReadFile("/proc/sys/net/ipv4/conf/eth0/arp_ignore"); return err }))
			return strings.TrimSpace(string(is)) == "1"
		})
	}
	for _, address := range []string{vip, vip6} {
		first := holder(netip.MustParseAddr(address), candidates([]*corev1.Node{node("n1", ""), node("n2", "")}), nil)
		l.eventually(address+" is reached at "+first, func() bool {
			who, err := l.reach(address)
			return err == nil && who == first
		})
		if got := l.answers(address); len(got) != 1 || got[0] != l.nodes[first].hardware() {
			t.Errorf("%s: answered by %v, want %s alone", address, got, l.nodes[first].hardware())
		}
		tell(t, c, ready(node(first, ""), corev1.ConditionUnknown))
		took := l.eventually("the client knows that it moved", func() bool { return l.knows(address) == l.nodes[other(first)].hardware() })
		t.Logf("%s moved within %s", address, took)
		if who, err := l.reach(address); err != nil || who != other(first) {
			t.Errorf("%s after its node failed: %q, %v", address, who, err)
		}
		if got := l.answers(address); len(got) != 1 || got[0] != l.nodes[other(first)].hardware() {
			t.Errorf("%s: answered by %v after its node failed", address, got)
		}
		tell(t, c, node(first, ""))
	}
	for _, address := range []string{foreign, foreign6} {
		if got := l.answers(address); len(got) > 0 {
			t.Errorf("%s, which no node announces, is answered by %v", address, got)
		}
	}
	if _, err := l.reach(foreign); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("%s: %v, want no route to it", foreign, err)
	}
}

// A node that is cut off from the control plane believes that it is the holder
// still; the control plane has given its address to another.
func TestS5ANodeThatIsCutOffGivesWay(t *testing.T) {
	for _, address := range []string{vip, vip6} {
		t.Run(address, func(t *testing.T) {
			l := newLAN(t)
			old, now := &catalog.Catalog{}, &catalog.Catalog{}
			first := holder(netip.MustParseAddr(address), candidates([]*corev1.Node{node("n1", ""), node("n2", "")}), nil)
			tell(t, old, node("n1", ""), node("n2", ""), service("web", address))
			tell(t, now, ready(node(first, ""), corev1.ConditionUnknown), node(other(first), ""), service("web", address))
			var touch atomic.Bool
			touch.Store(true)
			l.announce(first, old, touch.Load)
			l.eventually("it is announced", func() bool { return len(l.answers(address)) == 1 })
			touch.Store(false)
			if got := l.answers(address); len(got) != 1 || got[0] != l.nodes[first].hardware() {
				t.Fatalf("without a control plane, and a rival: answered by %v", got)
			}
			l.announce(other(first), now, nil)
			took := l.eventually("one answers, the new one", func() bool {
				got := l.answers(address)
				return len(got) == 1 && got[0] == l.nodes[other(first)].hardware()
			})
			t.Logf("two announced for at most %s", took)
		})
	}
}
