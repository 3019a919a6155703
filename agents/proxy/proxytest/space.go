package proxytest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// again marks the process that has the namespace.
const again = "SEGNO_PROXYTEST_NODE"

// Main is TestMain of packages that run the suite: it runs the tests in a
// network namespace of their own.
func Main(m *testing.M) {
	if os.Getenv(again) != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), again+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the tests in a network namespace (this needs root):", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// space is a network namespace.
type space struct {
	t      testing.TB
	handle netns.NsHandle
	links  *netlink.Handle
}

// newSpace makes a namespace in which nothing but loopback is up.
func newSpace(t testing.TB) *space {
	t.Helper()
	s := &space{t: t}
	s.in(func() error { // in the new namespace only for a moment
		made, err := netns.New()
		s.handle = made
		return err
	})
	t.Cleanup(func() { _ = s.handle.Close() })
	return s.open()
}

// nodeSpace is the namespace of this process.
func nodeSpace(t testing.TB) *space {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close() })
	return (&space{t: t, handle: here}).open()
}

func (s *space) open() *space {
	s.t.Helper()
	var err error
	if s.links, err = netlink.NewHandleAt(s.handle); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.links.Close)
	s.up("lo")
	return s
}

// do runs a function in the namespace. Sockets that it opens stay there.
func (s *space) do(what func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err != nil {
		return err
	}
	defer func() { _ = here.Close() }()
	if err := netns.Set(s.handle); err != nil {
		return err
	}
	return errors.Join(what(), netns.Set(here))
}

// in is do before there is a handle.
func (s *space) in(what func() error) {
	s.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err == nil {
		defer func() { _ = here.Close() }()
		err = errors.Join(what(), netns.Set(here))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *space) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *space) link(name string) netlink.Link {
	s.t.Helper()
	link, err := s.links.LinkByName(name)
	if err != nil {
		s.t.Fatalf("link %s: %v", name, err)
	}
	return link
}

func (s *space) up(name string) {
	s.t.Helper()
	s.must(s.links.LinkSetUp(s.link(name)))
}

// address gives a link addresses, which are good at once.
func (s *space) address(link string, addresses ...string) {
	s.t.Helper()
	for _, text := range addresses {
		p := netip.MustParsePrefix(text)
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		s.must(s.links.AddrReplace(s.link(link), a))
	}
}

// route sends a destination by a gateway.
func (s *space) route(link, to, by string) {
	s.t.Helper()
	r := &netlink.Route{LinkIndex: s.link(link).Attrs().Index, Gw: netip.MustParseAddr(by).AsSlice()}
	if to != "" {
		r.Dst = ipNet(netip.MustParsePrefix(to))
	}
	s.must(s.links.RouteReplace(r))
}

func (s *space) bridge(name string) {
	s.t.Helper()
	at := netlink.NewLinkAttrs()
	at.Name = name
	s.must(s.links.LinkAdd(&netlink.Bridge{LinkAttrs: at}))
	s.up(name)
}

// cable joins a bridge here with a link there.
func (s *space) cable(bridge, name string, there *space, inside string) {
	s.t.Helper()
	at := netlink.NewLinkAttrs()
	at.Name, at.MasterIndex = name, s.link(bridge).Attrs().Index
	s.must(s.links.LinkAdd(&netlink.Veth{LinkAttrs: at, PeerName: inside, PeerNamespace: netlink.NsFd(there.handle)}))
	s.up(name)
	there.up(inside)
}

// set writes a kernel parameter of the namespace.
func (s *space) set(path, value string) {
	s.t.Helper()
	s.must(s.do(func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0o644) }))
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
