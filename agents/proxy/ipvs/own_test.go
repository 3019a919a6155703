//go:build uml || vm

package ipvs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

func open(t *testing.T, cfg Config) *Plane {
	t.Helper()
	loopback(t)
	cfg.Guard = nothing{}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Remove(context.WithoutCancel(t.Context())) })
	return p
}

// rulesOf is a Service with a virtual port of each protocol, and a node port.
func rulesOf(name, ip string, backends ...string) proxy.Rules {
	c := proxy.Choice{}
	for _, b := range backends {
		c.Backends = append(c.Backends, proxy.Backend{Address: netip.MustParseAddrPort(b)})
	}
	r := proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: name}}
	at := netip.MustParseAddr(ip)
	for i, protocol := range []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP} {
		r.Frontends = append(r.Frontends, proxy.Frontend{
			Dial: proxy.Dial{Protocol: protocol, Address: at, Port: uint16(80 + i)}, Kind: proxy.ClusterIP, Inside: c, Outside: c,
		})
	}
	r.Frontends[1].Affinity = 90 * time.Second
	node := r.Frontends[1]
	node.Dial.Address, node.Dial.Port, node.Kind = netip.MustParseAddr("127.0.0.1"), 30000+uint16(at.As16()[15]), proxy.NodePort
	if at.Is4() {
		r.Frontends = append([]proxy.Frontend{node}, r.Frontends...)
	}
	return r
}

// dump is all that the kernel has, also of others.
func dump(t *testing.T, p *Plane) []string {
	t.Helper()
	all, err := p.kernel.Services()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for _, s := range all {
		line := []string{netip.AddrPortFrom(s.Address.Unmap(), s.Port).String(), s.Protocol.String(), s.Scheduler, s.Flags.String(), time.Duration(s.Timeout).String()}
		behind, _ := p.kernel.Destinations(s.Service)
		var to []string
		for _, d := range behind {
			to = append(to, netip.AddrPortFrom(d.Address.Unmap(), d.Port).String()+"*"+string(rune('0'+d.Weight)))
		}
		slices.Sort(to)
		out = append(out, strings.Join(append(line, to...), " "))
	}
	if p.link != nil {
		if held, _, err := p.addresses(); err == nil {
			for a := range held {
				out = append(out, "address "+a.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

func must(t *testing.T, f proxy.Failures, err error) {
	t.Helper()
	if err != nil || len(f) > 0 {
		t.Fatal(err, f)
	}
}

// TestS3StepsAndOneSyncLeadToTheSame: whatever happened before, the kernel has
// what a fresh plane makes.
func TestS3StepsAndOneSyncLeadToTheSame(t *testing.T) {
	p := open(t, Config{})
	web, web6 := rulesOf("web", "10.96.0.1", "10.244.1.2:80", "10.244.1.3:80"), rulesOf("web6", "fd00:96::1", "[fd00:244:1::2]:80")
	sync := func(p *Plane, r ...proxy.Rules) {
		t.Helper()
		f, err := p.Sync(t.Context(), proxy.State{Services: r})
		must(t, f, err)
	}
	set := func(r ...proxy.Rules) { t.Helper(); f, err := p.Set(t.Context(), r); must(t, f, err) }
	sync(p, web, web6)
	want := dump(t, p)
	same := func(what string, p *Plane) {
		t.Helper()
		if got := dump(t, p); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if len(want) != 4+3+2 {
		t.Fatalf("the kernel has\n%s", strings.Join(want, "\n"))
	}
	sync(p, web, web6)
	same("a second sync", p)
	set(rulesOf("web", "10.96.0.1", "10.244.1.3:80", "10.244.1.4:80"), proxy.Rules{Service: web6.Service}, rulesOf("api", "10.96.0.9", "10.244.1.9:80"))
	set(web, web6, proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: "api"}})
	p.sweep(time.Now())
	same("after some steps", p)
	again := open(t, Config{})
	sync(again, web, web6)
	same("after a restart", again)
	for what, spoil := range map[string]func() error{
		"a virtual server is gone": func() error { return p.kernel.RemoveService(named(web.Frontends[1].Dial)) },
		"another scheduler": func() error {
			s := serviceOf(&web.Frontends[1], "wrr")
			return p.kernel.UpdateService(s)
		},
		"a backend more": func() error {
			return p.kernel.CreateDestination(named(web.Frontends[3].Dial), destination(netip.MustParseAddrPort("10.9.9.9:9"), 1))
		},
		"another weight": func() error {
			return p.kernel.UpdateDestination(named(web.Frontends[1].Dial), destination(web.Frontends[1].Outside.Backends[0].Address, 0))
		},
		"an address is gone": func() error { return p.links.AddrDel(p.link, linkAddress(web.Frontends[1].Dial.Address)) },
		"an address more":    func() error { return p.links.AddrReplace(p.link, linkAddress(netip.MustParseAddr("10.96.7.7"))) },
		"no interface":       func() error { return p.links.LinkDel(p.link) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(what, err)
		}
		sync(p, web, web6)
		p.sweep(time.Now())
		same(what, p)
	}
}

// TestS3VirtualServersOfOthersAreLeftAlone, and who wants their place is told.
func TestS3VirtualServersOfOthersAreLeftAlone(t *testing.T) {
	p := open(t, Config{})
	web, api := rulesOf("web", "10.96.0.1", "10.244.1.2:80"), rulesOf("api", "10.96.0.2", "10.244.1.3:80")
	theirs := named(web.Frontends[2].Dial)
	theirs.Scheduler = "wlc"
	if err := p.kernel.CreateService(theirs); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.kernel.RemoveService(theirs) }()
	before := dump(t, p)
	f, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{api, web}})
	if err != nil || len(f) != 1 || !errors.Is(f[web.Service], errForeign) {
		t.Errorf("sync: %v, %v", f, err)
	}
	f, err = p.Set(t.Context(), []proxy.Rules{{Service: web.Service}, rulesOf("api", "10.96.0.2", "10.244.1.4:80")})
	must(t, f, err)
	if err := p.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, p); !slices.Equal(got, before) {
		t.Errorf("left: %v, want only theirs: %v", got, before)
	}
}

// TestS3ADrainedBackendIsDeleted, and not before; that of a flow at once.
func TestS3ADrainedBackendIsDeleted(t *testing.T) {
	p := open(t, Config{})
	web := rulesOf("web", "10.96.0.1", "10.244.1.2:80")
	f, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{web}})
	must(t, f, err)
	f, err = p.Set(t.Context(), []proxy.Rules{rulesOf("web", "10.96.0.1")})
	must(t, f, err)
	if got := strings.Join(dump(t, p), "\n"); strings.Count(got, "10.244.1.2:80*0") != 3 || strings.Contains(got, "*1") {
		t.Errorf("TCP and SCTP drain, UDP does not:\n%s", got)
	}
	p.sweep(time.Now())
	if got := strings.Join(dump(t, p), "\n"); strings.Contains(got, "*") || len(p.draining) != 0 {
		t.Errorf("nobody is connected, and there is still\n%s", got)
	}
}

// TestS3ABackendDrainsAsLongAsSomebodyIsConnected: its weight is 0, new
// connections go elsewhere, and it is deleted once the connection ended.
func TestS3ABackendDrainsAsLongAsSomebodyIsConnected(t *testing.T) {
	p := open(t, Config{})
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	const old, fresh, vip = "10.244.1.2:80", "10.244.1.3:80", "10.96.0.1:81"
	for _, at := range []string{old, fresh} {
		here := linkAddress(netip.MustParseAddrPort(at).Addr())
		if err := netlink.AddrAdd(lo, here); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = netlink.AddrDel(lo, here) }()
		listener, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); _, _ = c.Write([]byte(at)); _, _ = io.Copy(c, c) }()
			}
		}()
	}
	meet := func() (*net.TCPConn, string) {
		t.Helper()
		c, err := net.DialTimeout("tcp", vip, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		by := make([]byte, len(old))
		if _, err := io.ReadFull(c, by); err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn), string(by)
	}
	to := func(backend string) proxy.Rules {
		r := rulesOf("web", "10.96.0.1", backend)
		r.Frontends = slices.DeleteFunc(r.Frontends, func(f proxy.Frontend) bool { return f.Dial.String() != "TCP "+vip })
		r.Frontends[0].Affinity = 0
		return r
	}
	f, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{to(old)}})
	must(t, f, err)
	c, by := meet()
	if by != old {
		t.Fatalf("met %s", by)
	}
	f, err = p.Set(t.Context(), []proxy.Rules{to(fresh)})
	must(t, f, err)
	p.sweep(time.Now())
	if got := strings.Join(dump(t, p), "\n"); !strings.Contains(got, old+"*0 "+fresh+"*1") {
		t.Errorf("somebody is connected to the one that drains, and there is\n%s", got)
	}
	if other, by := meet(); by != fresh {
		t.Errorf("a new connection met %s", by)
	} else {
		_ = other.Close()
	}
	if _, err := c.Write([]byte("still here")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len("still here"))); err != nil {
		t.Errorf("the established connection: %v", err)
	}
	_ = c.SetLinger(0) // the kernel forgets a connection that was reset after ten seconds
	_ = c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		p.sweep(time.Now())
		got := strings.Join(dump(t, p), "\n")
		if !strings.Contains(got, old) && strings.Contains(got, fresh+"*1") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nobody is connected any more, and there is still\n%s", got)
		}
	}
}

// TestS3EverySchedulerIsTaken by the kernel.
func TestS3EverySchedulerIsTaken(t *testing.T) {
	for _, name := range Schedulers {
		p := open(t, Config{Scheduler: name})
		web := rulesOf("web", "10.96.0.1", "10.244.1.2:80")
		f, err := p.Sync(t.Context(), proxy.State{Services: []proxy.Rules{web}})
		must(t, f, err)
		if got := strings.Join(dump(t, p), "\n"); strings.Count(got, " "+name+" ") != 4 {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	if _, err := New(Config{Scheduler: "best"}); err == nil {
		t.Error("a scheduler that does not exist is taken")
	}
}

// TestS3ASchedulerThatTheKernelLacks keeps the plane from being made, which says
// so; one that it has leaves nothing.
func TestS3ASchedulerThatTheKernelLacks(t *testing.T) {
	p := open(t, Config{})
	if got := dump(t, p); len(got) != 0 {
		t.Errorf("to ask left %v", got)
	}
	p.cfg.Scheduler = "best"
	if err := p.tryScheduler(); err == nil || !strings.Contains(err.Error(), "ip_vs_best") {
		t.Errorf("got %v", err)
	}
}

// TestS3AnInterfaceOfAnotherTypeIsNotOurs.
func TestS3AnInterfaceOfAnotherTypeIsNotOurs(t *testing.T) {
	at := netlink.NewLinkAttrs()
	at.Name = "segno-ipvs"
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: at}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = netlink.LinkDel(&netlink.Bridge{LinkAttrs: at}) }()
	if _, err := New(Config{Guard: nothing{}}); err == nil || !strings.Contains(err.Error(), "bridge") {
		t.Errorf("got %v", err)
	}
}
