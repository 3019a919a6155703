//go:build host

package userspace

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// kernels is how many local routes of the kernel's own lead to an address.
func kernels(t *testing.T, a netip.Addr) (n int) {
	t.Helper()
	filter := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}
	family := netlink.FAMILY_V4
	if a.Is6() {
		family = netlink.FAMILY_V6
	}
	all, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		to, _ := netip.AddrFromSlice(r.Dst.IP)
		if to.Unmap() == a && r.Protocol == unix.RTPROT_KERNEL {
			n++
		}
	}
	return n
}

// TestS3AnAddressOfTheNodesOwnStaysItsOwn when a Service has it as an external
// one, comes and goes.
func TestS3AnAddressOfTheNodesOwnStaysItsOwn(t *testing.T) {
	loopback(t)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	to := echo(t)
	for _, text := range []string{"192.0.2.7", "2001:db8::7"} {
		own := netip.MustParseAddr(text)
		address := &netlink.Addr{IPNet: &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(own.BitLen(), own.BitLen())}, Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(lo, address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = netlink.AddrDel(lo, address) })
		for end := time.Now().Add(5 * time.Second); kernels(t, own) == 0; time.Sleep(time.Millisecond) { // IPv6 takes its time
			if time.Now().After(end) {
				t.Fatalf("the kernel has no route to %s", own)
			}
		}
		dial := netip.AddrPortFrom(own, 8080).String()
		p, failed := started(t, rulesOf("web", proxy.ExternalIP, "TCP", dial, to))
		if got, err := say(dial, "hello"); len(failed) > 0 || got != "hello" {
			t.Errorf("%s: %q, %v, %v", own, got, err, failed)
		}
		if n := kernels(t, own); n != 1 {
			t.Errorf("%s: with the Service, %d routes of the kernel's", own, n)
		}
		if failed, err := p.Set(t.Context(), []proxy.Rules{{Service: rulesOf("web", 0, "TCP", dial).Service}}); err != nil || len(failed) > 0 {
			t.Fatal(failed, err)
		}
		if n := kernels(t, own); n != 1 {
			t.Errorf("%s: after the Service, %d routes of the kernel's", own, n)
		}
		if err := p.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestS3AnAddressThatSomebodyTookAwayComesBack with the next Sync.
func TestS3AnAddressThatSomebodyTookAwayComesBack(t *testing.T) {
	loopback(t)
	rules := rulesOf("web", proxy.ClusterIP, "TCP", "10.96.0.1:80", echo(t))
	p, failed := started(t, rules)
	defer func() { _ = p.Remove(t.Context()) }()
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	if err := dropLocal(netip.MustParseAddr("10.96.0.1")); err != nil {
		t.Fatal(err)
	}
	if failed, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{rules}}); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	if got, err := say("10.96.0.1:80", "hello"); got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestS3TheNodeIsNotTakenForAnother, whatever a Service names.
func TestS3TheNodeIsNotTakenForAnother(t *testing.T) {
	loopback(t)
	gateway := netip.MustParseAddr("192.0.2.254")
	rules := rulesOf("web", proxy.ExternalIP, "TCP", "192.0.2.254:80", echo(t))
	p := newPlane(t).(*Plane)
	defer func() { _ = p.Remove(t.Context()) }()
	for _, step := range []struct {
		others []netip.Addr
		local  int
	}{{[]netip.Addr{gateway}, 0}, {nil, 1}, {[]netip.Addr{gateway}, 0}} {
		failed, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{rules}, Others: step.others})
		if err != nil || len(failed) > 0 {
			t.Fatal(failed, err)
		}
		if all, err := locals(); len(all) != step.local || err != nil {
			t.Errorf("with others %v: %v are local, %v", step.others, all, err)
		}
	}
}

// TestS3MoreClientsThanFiles are turned away, until others have gone.
func TestS3MoreClientsThanFiles(t *testing.T) {
	loopback(t)
	p := newPlane(t).(*Plane)
	if p.room.most < usualFiles/8 {
		t.Errorf("there is room for %d only", p.room.most)
	}
	p.room = &room{most: 1}
	rules := rulesOf("web", proxy.ClusterIP, "TCP", "10.96.0.1:80", echo(t))
	if failed, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{rules}}); err != nil || len(failed) > 0 {
		t.Fatal(failed, err)
	}
	defer func() { _ = p.Remove(t.Context()) }()
	first, err := net.Dial("tcp", "10.96.0.1:80")
	if err == nil {
		_, err = first.Write([]byte("x"))
	}
	if err == nil {
		_, err = first.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say("10.96.0.1:80", "hello"); err == nil || p.room.refused.Load() != 1 {
		t.Errorf("a second client heard %q; %d were turned away", got, p.room.refused.Load())
	}
	_ = first.Close()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if got, _ := say("10.96.0.1:80", "hello"); got == "hello" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d are carried after the first is gone", p.room.taken.Load())
		}
	}
}

// TestS3ServicesThatLeadToOneAnother refuse their clients, rather than to dial
// one another for ever.
func TestS3ServicesThatLeadToOneAnother(t *testing.T) {
	loopback(t)
	p, failed := started(t,
		rulesOf("a", proxy.ClusterIP, "TCP", "10.96.0.1:80", "10.96.0.2:80"), rulesOf("b", proxy.ClusterIP, "TCP", "10.96.0.2:80", "10.96.0.1:80"),
		rulesOf("c", proxy.NodePort, "TCP", "127.0.0.1:30080", "127.0.0.1:30080"), rulesOf("d", proxy.ClusterIP, "UDP", "10.96.0.3:53", "10.96.0.3:53"))
	defer func() { _ = p.Remove(t.Context()) }()
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	before := openFiles(t)
	for _, to := range []string{"10.96.0.1:80", "127.0.0.1:30080"} {
		c, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err == nil {
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: %v", to, err)
		}
	}
	c, err := net.Dial("udp", "10.96.0.3:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 8)); !os.IsTimeout(err) {
		t.Errorf("UDP: %v", err)
	}
	if n := openFiles(t) - before; n > 10 {
		t.Errorf("%d more files are open", n)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
