//go:build host

package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
			if err := askOneself(a); (err == nil) != want {
				t.Errorf("step %d: answers at %s: %v, want %t", i, a, err, want)
			}
		}
	}
}

// askOneself sends a packet to an address of this node, and its answer back.
func askOneself(a netip.Addr) error {
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if a.Is6() {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	sockets := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return err
	}}
	server, err := sockets.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, 0).String())
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
