package proxytest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

const (
	sctpPort = 8132
	// patienceSCTP is that for an association: SCTP sends what was lost again after
	// 3 seconds, and then after 6 and 12 more (RFC 9260, section 6.3).
	patienceSCTP = 30 * time.Second
)

// sctp: associations meet all backends, and none that is gone.
func sctp(b *bench) {
	web := func(names ...string) *service { return b.web(names...).overSCTP() }
	if !b.h.Can.CarriesSCTP {
		s := web("a")
		failed, err := b.plane.Sync(b.Context(), b.state(b.T, s))
		if why := failed[s.rules(b.T).Service]; err != nil || why == nil || !strings.Contains(why.Error(), "SCTP") {
			b.Errorf("%v, %v: want a Service that says that SCTP is not carried", why, err)
		}
		return
	}
	for _, p := range b.pods {
		for _, ip := range []string{p.ip, p.ip6} {
			p.listenSCTP(b, ip)
		}
	}
	b.sync(web("a", "b", "c", "x"))
	to := map[string]*space{vipTCP: b.client, vipTCP6: b.client, at(nodeIP, nodePort): b.client, at(vip, 80) + " ": b.pods["a"].space, " " + vipTCP: b.node}
	count := func(address string, from *space) map[string]int {
		got := map[string]int{}
		for range 40 {
			by, err := from.askSCTP(strings.TrimSpace(address), patienceSCTP)
			if err != nil {
				b.Errorf("dial %s by SCTP: %v", address, err)
				return got
			}
			got[by]++
		}
		return got
	}
	for address, from := range to {
		b.spread(address, count(address, from), "a", "b", "c", "x")
	}
	b.set(web("b", "c"))
	b.spread("some are gone", count(vipTCP, b.client), "b", "c")
	b.set(web())
	if by, err := b.client.askSCTP(vipTCP, brief); err == nil {
		b.Errorf("there is no backend, and %s answers", by)
	}
}

// overSCTP makes the first port one of SCTP.
func (s *service) overSCTP() *service {
	s.nodePorts()
	s.Spec.Ports[0].Protocol = corev1.ProtocolSCTP
	protocol, port := corev1.ProtocolSCTP, int32(sctpPort)
	for _, slice := range s.Slices {
		slice.Ports[0].Protocol, slice.Ports[0].Port = &protocol, &port
	}
	return s
}

// socketSCTP makes a socket, bound to an address of which it tells the other
// side no more than this one.
func socketSCTP(a netip.Addr, port uint16) (int, error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_SCTP)
	if err != nil {
		return 0, fmt.Errorf("make a socket of SCTP: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(a, port))); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// await waits until a socket can be read or written.
func await(fd int, event int16, within time.Duration) error {
	for end := time.Now().Add(within); time.Now().Before(end); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: event}}, int(within.Milliseconds()))
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return fmt.Errorf("nothing came within %s", within)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}

// listenSCTP says who it is to everybody. It skips the test where the kernel has
// no SCTP.
func (p *pod) listenSCTP(t testing.TB, ip string) {
	t.Helper()
	var fd int
	err := p.do(func() (err error) {
		// The kernel may lack the others. There is such a file where it has SCTP.
		if err := os.WriteFile("/proc/sys/net/sctp/cookie_hmac_alg", []byte("none"), 0o644); err != nil {
			return err
		}
		fd, err = socketSCTP(netip.MustParseAddr(ip), sctpPort)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this kernel has no SCTP")
	}
	p.must(err)
	p.must(unix.Listen(fd, 16))
	ended := make(chan struct{})
	t.Cleanup(func() { <-ended })
	go func() {
		defer close(ended)
		defer unix.Close(fd)
		for t.Context().Err() == nil {
			if err := await(fd, unix.POLLIN, brief); err != nil {
				continue
			}
			conn, _, err := unix.Accept(fd)
			if err != nil {
				continue
			}
			// Who speaks first while the association is still being made may be lost.
			if await(conn, unix.POLLIN, patienceSCTP) == nil {
				_, _ = unix.Write(conn, []byte(p.name))
			}
			_ = unix.Close(conn)
		}
	}()
}

// askSCTP connects, and answers who answered.
func (s *space) askSCTP(to string, within time.Duration) (by string, err error) {
	address := netip.MustParseAddrPort(to)
	err = s.do(func() error {
		from := netip.IPv4Unspecified()
		if address.Addr().Is6() {
			from = netip.IPv6Unspecified()
		}
		fd, err := socketSCTP(from, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		err = unix.Connect(fd, sockaddr(address))
		if errors.Is(err, unix.EINPROGRESS) {
			err = await(fd, unix.POLLOUT, within)
		}
		if err == nil {
			var code int
			if code, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
				err = unix.Errno(code)
			}
		}
		if err == nil {
			if _, err = unix.Write(fd, []byte("hello")); err == nil {
				err = await(fd, unix.POLLIN, within)
			}
		}
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		buffer := make([]byte, 64)
		n, err := unix.Read(fd, buffer)
		if err != nil {
			return fmt.Errorf("connected, then: %w", err)
		}
		by = string(buffer[:n])
		return nil
	})
	return by, err
}
