//go:build host

package userspace

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

func rulesOf(name string, kind proxy.Kind, protocol corev1.Protocol, dial string, backends ...string) proxy.Rules {
	at := netip.MustParseAddrPort(dial)
	f := proxy.Frontend{Dial: proxy.Dial{Protocol: protocol, Address: at.Addr(), Port: at.Port()}, Kind: kind}
	for _, b := range backends {
		f.Outside.Backends = append(f.Outside.Backends, proxy.Backend{Address: netip.MustParseAddrPort(b)})
	}
	f.Inside = f.Outside
	return proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: name}, Frontends: []proxy.Frontend{f}}
}

// loopback brings up the loopback link of the test's namespace.
func loopback(t testing.TB) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatal(err)
	}
}

// echo answers connections with what they say.
func echo(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func started(t testing.TB, rules ...proxy.Rules) (*Plane, proxy.Failures) {
	t.Helper()
	p := newPlane(t).(*Plane)
	failed, err := p.Sync(t.Context(), proxy.State{Services: rules})
	if err != nil {
		t.Fatal(err)
	}
	return p, failed
}

// TestS3WithoutPrivilegesNodePortsWork, and other Services say what is missing.
func TestS3WithoutPrivilegesNodePortsWork(t *testing.T) {
	loopback(t)
	to := echo(t)
	runtime.LockOSThread() // never unlocked: the thread goes with its capabilities
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	p := newPlane(t).(*Plane)
	web, vip := rulesOf("web", proxy.NodePort, "TCP", "127.0.0.1:30080", to), rulesOf("vip", proxy.ClusterIP, "TCP", "10.96.0.1:8080", to)
	low := rulesOf("low", proxy.NodePort, "TCP", "127.0.0.1:80", to)
	failed, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{low, vip, web}})
	defer p.cut()
	if err != nil || len(failed) != 2 || !strings.Contains(fmt.Sprint(failed[vip.Service]), "CAP_NET_ADMIN") || !strings.Contains(fmt.Sprint(failed[low.Service]), "permission") {
		t.Errorf("%v, %v", failed, err)
	}
	if got, err := say("127.0.0.1:30080", "hello"); got != "hello" {
		t.Errorf("the node port: %q, %v", got, err)
	}
}

func say(to, what string) (string, error) {
	c, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, what); err != nil {
		return "", err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil { // the end is passed on, and the rest still comes
		return "", err
	}
	back, err := io.ReadAll(c)
	return string(back), err
}

// TestS3ABackendThatSaysNothingIsPassedOver, at first after a second, then at
// once.
func TestS3ABackendThatSaysNothingIsPassedOver(t *testing.T) {
	loopback(t)
	full, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0) // listens, and never takes anybody
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	if err := unix.Bind(full, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 8088}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(full, 0); err != nil {
		t.Fatal(err)
	}
	for { // fill its queue
		c, err := net.DialTimeout("tcp", "127.0.0.1:8088", 100*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	p, failed := started(t, rulesOf("web", proxy.ClusterIP, "TCP", "10.96.0.1:80", "127.0.0.1:8088", echo(t)))
	defer func() { _ = p.Remove(t.Context()) }()
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	began := time.Now()
	for range 20 {
		if got, err := say("10.96.0.1:80", "hello"); got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if took := time.Since(began); took > 3*connectWithin {
		t.Errorf("twenty clients took %s", took)
	}
}

// TestS3IdleServicesCostTheirListeners and nothing else; afterwards nothing is
// left.
func TestS3IdleServicesCostTheirListeners(t *testing.T) {
	loopback(t)
	before := runtime.NumGoroutine()
	var rules []proxy.Rules
	const services = 500
	for i := range services {
		dial := fmt.Sprintf("10.97.%d.%d:80", i/250, i%250+1)
		rules = append(rules, rulesOf(fmt.Sprintf("t%d", i), proxy.ClusterIP, "TCP", dial, "10.0.0.1:80"),
			rulesOf(fmt.Sprintf("u%d", i), proxy.ClusterIP, "UDP", dial, "10.0.0.1:80"))
	}
	p, failed := started(t, rules...)
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	if n := runtime.NumGoroutine() - before; n > 2*services+10 {
		t.Errorf("%d goroutines for %d listeners", n, 2*services)
	}
	if all, err := locals(); len(all) != services || err != nil {
		t.Errorf("%d addresses were made local, %v", len(all), err)
	}
	p.cut() // as if the process had died
	p, _ = started(t, rules[:2]...)
	if all, err := locals(); len(all) != 1 || err != nil {
		t.Errorf("%d addresses are local after a restart, %v", len(all), err)
	}
	if err := p.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err := locals(); len(all) != 0 || err != nil {
		t.Errorf("%d addresses stay, %v", len(all), err)
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+5; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines stay", runtime.NumGoroutine()-before)
		}
	}
}

// BenchmarkThroughput copies a mebibyte at a time, directly and by the proxy.
func BenchmarkThroughput(b *testing.B) {
	loopback(b)
	to := echo(b)
	p, failed := started(b, rulesOf("web", proxy.ClusterIP, "TCP", "10.96.0.1:80", to))
	defer func() { _ = p.Remove(b.Context()) }()
	if len(failed) > 0 {
		b.Fatal(failed)
	}
	for _, way := range []struct{ name, to string }{{"Direct", to}, {"Proxy", "10.96.0.1:80"}} {
		b.Run(way.name+"/Bytes", func(b *testing.B) {
			c, err := net.Dial("tcp", way.to)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			chunk := make([]byte, 1<<20)
			b.SetBytes(2 << 20) // there and back
			for b.Loop() {
				done := make(chan error, 1)
				go func() { _, err := c.Write(chunk); done <- err }()
				if _, err := io.ReadFull(c, make([]byte, len(chunk))); err != nil {
					b.Fatal(err)
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(way.name+"/Connection", func(b *testing.B) {
			for b.Loop() {
				if got, err := say(way.to, "hello"); got != "hello" {
					b.Fatal(got, err)
				}
			}
		})
	}
}
