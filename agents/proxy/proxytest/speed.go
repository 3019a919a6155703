package proxytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

const (
	sinkPort = 9090
	chunk    = 256 << 10
	streamed = time.Second
)

// BenchTraffic measures traffic from a client outside to a pod, directly and by a
// Service beside ten thousand others: how long it takes to connect, until the
// first byte comes, and how much goes through one and sixteen connections.
func BenchTraffic(b *testing.B, newPlane func(t testing.TB) proxy.Plane) {
	m := newMachine(b)
	plane := newPlane(b)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = plane.Run(ctx) })
	defer running.Wait()
	defer cancel()
	defer mustRemove(b, plane)
	state := Many(10_000)
	state.Inside = m.as().Pods
	sink := m.service("sink", "10.96.0.11", "fd00:96::11", "a")
	port := int32(sinkPort)
	for _, s := range sink.Slices {
		s.Ports[0].Port = &port
	}
	for _, s := range []*service{m.web("a"), sink} {
		state.Services = append(state.Services, s.rules(b))
	}
	mustSync(b, plane, state)
	m.pods["a"].swallow(b)
	b.Run("Connect", func(b *testing.B) { connecting(b, m) })
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("Stream/%d", n), func(b *testing.B) { streaming(b, m, n) })
	}
}

// connecting connects directly and by the Service in turn.
func connecting(b *testing.B, m *machine) {
	ways := []struct{ name, to string }{{"direct", at(m.pods["a"].ip, tcpPort)}, {"service", vipTCP}}
	var connected, answered [2][]time.Duration
	m.client.must(m.client.do(func() error { // one thread, and no poller between the kernel and the clock
		for b.Loop() {
			for i, way := range ways {
				first, second, err := firstByte(netip.MustParseAddrPort(way.to))
				if err != nil {
					return fmt.Errorf("%s: %w", way.name, err)
				}
				connected[i], answered[i] = append(connected[i], first), append(answered[i], second)
			}
		}
		return nil
	}))
	for i, way := range ways {
		for what, took := range map[string][]time.Duration{"connect": connected[i], "byte": answered[i]} {
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, way.name+"-"+what+"-p50-us")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, way.name+"-"+what+"-p99-us")
		}
	}
}

// firstByte connects, and answers when that was done and when a byte came.
func firstByte(to netip.AddrPort) (connected, answered time.Duration, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	for err = unix.Connect(fd, sockaddr(to)); errors.Is(err, unix.EINTR) || errors.Is(err, unix.EALREADY); {
		err = unix.Connect(fd, sockaddr(to))
	}
	if err != nil && !errors.Is(err, unix.EISCONN) {
		return 0, 0, err
	}
	connected = time.Since(began)
	one := make([]byte, 1)
	for _, err = unix.Read(fd, one); errors.Is(err, unix.EINTR); {
		_, err = unix.Read(fd, one)
	}
	return connected, time.Since(began), err
}

// streaming sends for a second each, directly and by the Service in turn.
func streaming(b *testing.B, m *machine, connections int) {
	var sent [2]float64
	rounds := 0
	for b.Loop() {
		rounds++
		for i, to := range []string{at(m.pods["a"].ip, sinkPort), "10.96.0.11:80"} {
			sent[i] += stream(b, m, to, connections)
		}
	}
	b.ReportMetric(sent[0]/float64(rounds), "direct-Gbit/s")
	b.ReportMetric(sent[1]/float64(rounds), "service-Gbit/s")
}

// stream answers how many Gbit/s go through.
func stream(b *testing.B, m *machine, to string, connections int) float64 {
	b.Helper()
	var conns []net.Conn
	for range connections {
		var c net.Conn
		m.client.must(m.client.do(func() (err error) { c, err = net.Dial("tcp", to); return err }))
		defer c.Close()
		conns = append(conns, c)
	}
	var mu sync.Mutex
	var sending sync.WaitGroup
	total, began := 0, time.Now()
	for _, c := range conns {
		sending.Go(func() {
			bytes, sent := make([]byte, chunk), 0
			for time.Since(began) < streamed {
				n, err := c.Write(bytes)
				if err != nil {
					b.Error(err)
					return
				}
				sent += n
			}
			mu.Lock()
			defer mu.Unlock()
			total += sent
		})
	}
	sending.Wait()
	return float64(total) * 8 / 1e9 / time.Since(began).Seconds()
}

// swallow takes all that it is sent.
func (p *pod) swallow(t testing.TB) {
	t.Helper()
	var l net.Listener
	p.must(p.do(func() (err error) { l, err = net.Listen("tcp", at(p.ip, sinkPort)); return err }))
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for buffer := make([]byte, chunk); ; {
					if _, err := c.Read(buffer); err != nil {
						return
					}
				}
			}()
		}
	}()
}
