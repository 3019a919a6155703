//go:build host

package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestS7ANodeAnswersAtAddressesOfDNS of both families, and at those of before no
// more.
func TestS7ANodeAnswersAtAddressesOfDNS(t *testing.T) {
	enter(t)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	theirs := netip.MustParsePrefix("fd00:96::99/128")
	if err := netlink.AddrAdd(lo, addressOf(theirs)); err != nil {
		t.Fatal(err)
	}
	parse := netip.MustParseAddr
	all := []netip.Addr{parse("10.96.0.10"), parse("fd00:96::a"), parse("10.97.0.10"), parse("fd00:97::a"), theirs.Addr()}
	for i, now := range [][]netip.Addr{all[:2], all[:2], all[2:], {}} {
		if err := Answer(now...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		for _, a := range all {
			want := slices.Contains(now, a) || a == theirs.Addr()
			if err := askOneself(t.Context(), a); (err == nil) != want {
				t.Errorf("step %d: answers at %s: %v, want %t", i, a, err, want)
			}
		}
	}
}

// TestS7APodAsksItsNodeAtAnAddressOfDNS, and so does the node.
func TestS7APodAsksItsNodeAtAnAddressOfDNS(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24", "2001:db8::1/64")
	meet(n1)
	pod, at := n1.pod("one")
	servers := []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00:96::a")}
	n1.in(func() { l.must(Answer(servers...)) })
	for i, server := range servers {
		n1.in(func() {
			sockets := freely(server)
			conn, err := sockets.ListenPacket(t.Context(), "udp", on(server, 53))
			l.must(err)
			t.Cleanup(func() { _ = conn.Close() })
			go echo(conn)
		})
		expect(t, "a pod", pod.tell("ask "+on(server, 53)+" 10"), fmt.Sprintf("from %s 10", at[i]))
		if said := n1.play("ask", on(server, 53)+" 10"); !strings.HasPrefix(said, "from ") {
			t.Errorf("the node asks itself at %s: %s", server, said)
		}
	}
}

// freely lets sockets have an address that is this machine's by a route alone.
func freely(a netip.Addr) net.ListenConfig {
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if a.Is6() {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	return net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return err
	}}
}

// askOneself dials an address of this node.
func askOneself(ctx context.Context, a netip.Addr) error {
	sockets := freely(a)
	server, err := sockets.Listen(ctx, "tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	return client.Close()
}
