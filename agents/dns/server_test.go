package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
)

// places gives each server of the tests an address of its own.
var places atomic.Uint32

func place() netip.AddrPort {
	n := places.Add(1)
	pid := os.Getpid()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(100 + n/200), byte(pid), byte(n%200 + 2)}), uint16(20000+pid%10000))
}

// run runs a server until the test ends, and waits until it answers.
func run(t testing.TB, cfg Config) (*Server, netip.AddrPort) {
	t.Helper()
	if cfg.Catalog == nil {
		cfg.Catalog = known(t, shop)
	}
	if cfg.Addresses == nil {
		cfg.Addresses = []netip.AddrPort{place()}
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = os.DevNull
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(running.Wait)
	for _, address := range cfg.Addresses {
		answers(t, "udp", address)
		answers(t, "tcp", address)
	}
	return s, cfg.Addresses[0]
}

// answers waits until somebody listens.
func answers(t testing.TB, network string, address netip.AddrPort) {
	t.Helper()
	query := new(mdns.Msg).SetQuestion("dns-version.cluster.local.", mdns.TypeTXT)
	for start := time.Now(); ; {
		client := mdns.Client{Net: network, Timeout: 200 * time.Millisecond}
		_, _, err := client.Exchange(query, address.String())
		if err == nil {
			return
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%s %s: %v", network, address, err)
		}
	}
}

// upstream is another server, that counts what it is asked.
type upstream struct {
	address netip.AddrPort
	asked   atomic.Int32
	answer  func(w mdns.ResponseWriter, query *mdns.Msg)
}

func newUpstream(t testing.TB, answer func(w mdns.ResponseWriter, query *mdns.Msg)) *upstream {
	t.Helper()
	u := &upstream{address: place(), answer: answer}
	handler := mdns.HandlerFunc(func(w mdns.ResponseWriter, query *mdns.Msg) {
		if name := query.Question[0].Name; !strings.HasPrefix(name, "dns-version.") && query.Question[0].Qtype != mdns.TypeHINFO {
			u.asked.Add(1)
		}
		u.answer(w, query)
	})
	for _, network := range []string{"udp", "tcp"} {
		server := &mdns.Server{Addr: u.address.String(), Net: network, Handler: handler}
		go func() { _ = server.ListenAndServe() }()
		answers(t, network, u.address)
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return u
}

// world answers with addresses of the names' lengths.
func world(w mdns.ResponseWriter, query *mdns.Msg) {
	reply := new(mdns.Msg).SetReply(query)
	q := query.Question[0]
	soa := &mdns.SOA{Hdr: mdns.RR_Header{Name: "example.", Rrtype: mdns.TypeSOA, Class: mdns.ClassINET, Ttl: 30}, Ns: "ns.example.", Mbox: "m.example.", Minttl: 20}
	name := strings.ToLower(q.Name)
	switch {
	case strings.HasPrefix(name, "missing."):
		reply.Rcode, reply.Ns = mdns.RcodeNameError, []mdns.RR{soa}
	case q.Qtype == mdns.TypeA && strings.HasPrefix(name, "long."):
		for i := range 100 {
			reply.Answer = append(reply.Answer, &mdns.A{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, byte(i))})
		}
		if w.RemoteAddr().Network() == "udp" {
			reply.Truncate(mdns.MinMsgSize)
		}
	case q.Qtype == mdns.TypeA:
		reply.Answer = []mdns.RR{&mdns.A{Hdr: mdns.RR_Header{Name: name, Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, byte(len(name)))}}
	default:
		reply.Ns = []mdns.RR{soa}
	}
	_ = w.WriteMsg(reply)
}

func exchangeWith(t testing.TB, network string, at netip.AddrPort, query *mdns.Msg) *mdns.Msg {
	t.Helper()
	client := mdns.Client{Net: network, Timeout: 6 * time.Second, UDPSize: 4096}
	reply, _, err := client.Exchange(query, at.String())
	if err != nil {
		t.Fatalf("%s: %v", query.Question[0].String(), err)
	}
	return reply
}

func look(t testing.TB, at netip.AddrPort, name, kind string) string {
	t.Helper()
	reply := exchangeWith(t, "udp", at, &mdns.Msg{MsgHdr: mdns.MsgHdr{Id: mdns.Id(), RecursionDesired: true}, Question: []mdns.Question{question(name, kind)}})
	return show(reply.Rcode, reply.Answer, nil)
}

func TestS7ServerAnswersFromTheCatalogAndAsksOthers(t *testing.T) {
	up := newUpstream(t, world)
	corp := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		reply := new(mdns.Msg).SetReply(query)
		reply.Answer = []mdns.RR{&mdns.A{Hdr: mdns.RR_Header{Name: query.Question[0].Name, Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: 9}, A: net.IPv4(10, 1, 1, 1)}}
		_ = w.WriteMsg(reply)
	})
	c := known(t, shop)
	_, at := run(t, Config{
		Catalog: c, Upstreams: []netip.AddrPort{up.address},
		Stubs:    map[string][]netip.AddrPort{"corp.example": {corp.address}, "own.cluster.local": {corp.address}},
		Networks: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
	})
	for _, test := range []struct{ name, kind, want string }{
		{"web.shop.svc.cluster.local.", "A", "NOERROR (web.shop.svc.cluster.local A 10.96.0.7)"},
		{"WEB.shop.svc.CLUSTER.local.", "A", "NOERROR (WEB.shop.svc.CLUSTER.local A 10.96.0.7)"},
		{"none.shop.svc.cluster.local.", "A", "NXDOMAIN"},
		{"outside.shop.svc.cluster.local.", "A", "NOERROR (outside.shop.svc.cluster.local CNAME example.com.) (example.com A 192.0.2.12)"},
		{"7.0.96.10.in-addr.arpa.", "PTR", "NOERROR (7.0.96.10.in-addr.arpa PTR web.shop.svc.cluster.local.)"},
		{"9.0.96.10.in-addr.arpa.", "PTR", "NXDOMAIN"},
		{"a.example.", "A", "NOERROR (a.example A 192.0.2.10)"},
		{"A.Example.", "A", "NOERROR (A.Example A 192.0.2.10)"},
		{"a.example.", "AAAA", "NOERROR"},
		{"missing.example.", "A", "NXDOMAIN"},
		{"x.Corp.example.", "A", "NOERROR (x.Corp.example A 10.1.1.1)"},
		{"x.own.cluster.local.", "A", "NOERROR (x.own.cluster.local A 10.1.1.1)"},
		{"web.shop.svc.cluster.local.", "ANY", "REFUSED"},
		{"a.example.", "AXFR", "REFUSED"},
	} {
		if got := look(t, at, test.name, test.kind); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.name, test.kind, got, test.want)
		}
	}
	reply := exchangeWith(t, "udp", at, new(mdns.Msg).SetQuestion("none.shop.svc.cluster.local.", mdns.TypeA))
	if soa, ok := reply.Ns[0].(*mdns.SOA); !ok || soa.Minttl != ttl || soa.Hdr.Name != "cluster.local." || !reply.Authoritative || !reply.RecursionAvailable {
		t.Errorf("a missing name: %s", reply)
	}
	// Only what is not known yet is asked of others, and missing names are known too.
	before := up.asked.Load()
	look(t, at, "a.example.", "A")
	look(t, at, "missing.example.", "A")
	if up.asked.Load() != before {
		t.Error("a known answer was asked for again")
	}
	// What the node is told counts at once, and a broken object breaks nothing.
	tell(t, c, "kind: Service\nmetadata: {name: fresh, namespace: shop}\nspec: {clusterIP: 10.96.0.99, ports: [{name: '\"', port: 99999999}]}")
	for start := time.Now(); look(t, at, "fresh.shop.svc.cluster.local.", "A") != "NOERROR (fresh.shop.svc.cluster.local A 10.96.0.99)"; {
		if time.Since(start) > 5*time.Second {
			t.Fatal("a new Service has no name")
		}
	}
}

// The node's DNS needs nobody for the cluster's names, and says quickly that it
// cannot find others.
func TestS7NamesWithoutAnybodyElse(t *testing.T) {
	_, at := run(t, Config{})
	if got := look(t, at, "web.shop.svc.cluster.local.", "A"); got != "NOERROR (web.shop.svc.cluster.local A 10.96.0.7)" {
		t.Error(got)
	}
	start := time.Now()
	if got := look(t, at, "a.example.", "A"); got != "SERVFAIL" || time.Since(start) > time.Second {
		t.Errorf("%s after %s", got, time.Since(start))
	}
}

func TestS7LongAnswersFit(t *testing.T) {
	var text strings.Builder
	text.WriteString("kind: Service\nmetadata: {name: many, namespace: shop}\nspec: {clusterIP: None}\n---\n" +
		"kind: EndpointSlice\nmetadata: {name: many-1, namespace: shop, labels: {kubernetes.io/service-name: many}}\n" +
		"addressType: IPv4\nports: [{name: http, port: 80}]\nendpoints:\n")
	for i := range 900 {
		fmt.Fprintf(&text, "- {addresses: [10.244.%d.%d], hostname: a-pod-with-a-name-of-many-letters-%d}\n", i/200, i%200, i)
	}
	up := newUpstream(t, world)
	_, at := run(t, Config{Catalog: known(t, text.String()), Upstreams: []netip.AddrPort{up.address}})
	for _, test := range []struct {
		name, kind, network string
		size                uint16
		least, most         int
		truncated           bool
	}{
		{"many.shop.svc.cluster.local.", "A", "udp", 0, 20, 30, true},
		{"many.shop.svc.cluster.local.", "A", "udp", 65535, 60, 80, true},
		{"many.shop.svc.cluster.local.", "A", "tcp", 0, 900, 900, false},
		{"_http._tcp.many.shop.svc.cluster.local.", "SRV", "tcp", 0, 700, 899, false},
		{"long.example.", "A", "udp", 0, 20, 30, true},
		{"long.example.", "A", "udp", 1232, 60, 80, true},
		{"long.example.", "A", "tcp", 0, 100, 100, false},
	} {
		query := &mdns.Msg{MsgHdr: mdns.MsgHdr{Id: mdns.Id()}, Question: []mdns.Question{question(test.name, test.kind)}}
		if test.size > 0 {
			query.SetEdns0(test.size, false)
		}
		reply := exchangeWith(t, test.network, at, query)
		reply.Compress = true
		if n := len(reply.Answer); n < test.least || n > test.most || reply.Truncated != test.truncated || (reply.IsEdns0() != nil) != (test.size > 0) {
			t.Errorf("%+v: %d records, truncated %t", test, n, reply.Truncated)
		}
	}
}

func TestS7OneQuestionIsAskedOnce(t *testing.T) {
	let := make(chan struct{})
	up := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		if strings.HasPrefix(query.Question[0].Name, "slow.") {
			<-let
		}
		world(w, query)
	})
	s, at := run(t, Config{Upstreams: []netip.AddrPort{up.address}})
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			if got := look(t, at, "slow.example.", "A"); got != "NOERROR (slow.example A 192.0.2.13)" {
				t.Error(got)
			}
		})
	}
	all := func() bool { return len(s.forwarder.slots) == 50 }
	for start := time.Now(); !all() && time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
	}
	if !all() {
		t.Errorf("%d questions wait", len(s.forwarder.slots))
	}
	close(let)
	asking.Wait()
	if n := up.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestS7TheNextServerIsAskedWhenOneFails(t *testing.T) {
	silent := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		if strings.HasPrefix(query.Question[0].Name, "dns-version.") {
			world(w, query)
		}
	})
	refusing := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		_ = w.WriteMsg(new(mdns.Msg).SetRcode(query, mdns.RcodeRefused))
	})
	old := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		if query.IsEdns0() != nil {
			_ = w.WriteMsg(new(mdns.Msg).SetRcode(query, mdns.RcodeFormatError))
			return
		}
		world(w, query)
	})
	_, at := run(t, Config{Upstreams: []netip.AddrPort{silent.address, refusing.address, old.address}})
	if got := look(t, at, "a.example.", "A"); got != "NOERROR (a.example A 192.0.2.10)" {
		t.Error(got)
	}
	start := time.Now()
	if got := look(t, at, "b.example.", "A"); got != "NOERROR (b.example A 192.0.2.10)" || time.Since(start) > patience {
		t.Errorf("%s after %s: the silent server was waited for again", got, time.Since(start))
	}
	_, at = run(t, Config{Upstreams: []netip.AddrPort{refusing.address}})
	if got := look(t, at, "a.example.", "A"); got != "REFUSED" {
		t.Error(got)
	}
}

// A server that asks this one back is found out, and asked no more.
func TestS7AServerThatLeadsBackIsNotAsked(t *testing.T) {
	here := place()
	back := newUpstream(t, func(w mdns.ResponseWriter, query *mdns.Msg) {
		if strings.HasPrefix(query.Question[0].Name, "dns-version.") {
			world(w, query) // newUpstream waits for that
			return
		}
		client := mdns.Client{Timeout: time.Second}
		if reply, _, err := client.Exchange(query, here.String()); err == nil {
			_ = w.WriteMsg(reply)
		}
	})
	said := make(chan string, 10)
	s, at := run(t, Config{
		Addresses: []netip.AddrPort{here}, Upstreams: []netip.AddrPort{back.address, here},
		Logger: slog.New(slog.NewTextHandler(lines(said), nil)),
	})
	// The probe at the start may have come before the listener; whoever starts anew sends another.
	s.upstreams.probe(t.Context())
	if len(s.upstreams.servers()) != 0 {
		t.Fatalf("still asked: %v", s.upstreams.servers())
	}
	start := time.Now()
	if got := look(t, at, "a.example.", "A"); got != "SERVFAIL" || time.Since(start) > time.Second {
		t.Errorf("%s after %s", got, time.Since(start))
	}
	if line := <-said; !strings.Contains(line, "leads back") || !strings.Contains(line, back.address.String()) {
		t.Error(line)
	}
}

type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestS7ServersOfTheNodesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	own := netip.MustParseAddrPort("10.96.0.10:53")
	u := &upstreams{path: path, own: []netip.AddrPort{own}, log: slog.New(slog.DiscardHandler)}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if u.reread() || len(u.servers()) != 0 {
		t.Error("there is no file")
	}
	write("nameserver 10.96.0.10\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver 2001:db8::1\n")
	if !u.reread() || u.reread() || fmt.Sprint(u.servers()) != "[192.0.2.1:53 [2001:db8::1]:53]" {
		t.Errorf("%v", u.servers())
	}
	if err := os.Remove(path); err != nil || u.reread() || len(u.servers()) != 2 {
		t.Errorf("%v, %v", err, u.servers())
	}
	write("nameserver 192.0.2.2\n")
	if !u.reread() || fmt.Sprint(u.servers()) != "[192.0.2.2:53]" {
		t.Errorf("%v", u.servers())
	}
}

func TestS7WhatAServerMayNotBe(t *testing.T) {
	c, at := &catalog.Catalog{}, []netip.AddrPort{place()}
	for _, cfg := range []Config{
		{Addresses: at}, {Catalog: c},
		{Catalog: c, Addresses: at, Domain: "not a domain"}, {Catalog: c, Addresses: at, Domain: "."},
		{Catalog: c, Addresses: at, Domain: strings.Repeat("long.", 12)},
		{Catalog: c, Addresses: at, Stubs: map[string][]netip.AddrPort{"corp": nil}},
		{Catalog: c, Addresses: at, Stubs: map[string][]netip.AddrPort{"corp": at}},
		{Catalog: c, Addresses: at, Stubs: map[string][]netip.AddrPort{"..": {place()}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// An address that somebody else has is had once he lets go of it.
func TestS7ATakenAddressIsWaitedFor(t *testing.T) {
	taken, free := place(), place()
	socket, err := net.ListenPacket("udp", taken.String())
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 10)
	s, err := New(Config{Catalog: &catalog.Catalog{}, Addresses: []netip.AddrPort{taken, free}, Logger: slog.New(slog.NewTextHandler(lines(said), nil)), ResolvConf: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if line := <-said; !strings.Contains(line, "another program listens there") {
		t.Error(line)
	}
	answers(t, "udp", free)
	_ = socket.Close()
	answers(t, "udp", taken)
}

// An address may come to the node after its DNS: it is held until then.
func TestS7AnAddressThatIsNotThereYetIsListenedOn(t *testing.T) {
	here, later := place(), netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), place().Port())
	if _, err := net.ListenPacket("udp", later.String()); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Fatalf("the machine has %s: %v", later, err)
	}
	s, err := New(Config{Catalog: &catalog.Catalog{}, Addresses: []netip.AddrPort{here, later}, ResolvConf: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		held := func() bool {
			other := net.ListenConfig{Control: freely}
			if network == "udp" {
				socket, err := other.ListenPacket(ctx, network, later.String())
				if err == nil {
					_ = socket.Close()
				}
				return errors.Is(err, unix.EADDRINUSE)
			}
			socket, err := other.Listen(ctx, network, later.String())
			if err == nil {
				_ = socket.Close()
			}
			return errors.Is(err, unix.EADDRINUSE)
		}
		for start := time.Now(); !held(); time.Sleep(10 * time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("nobody listens at %s %s", network, later)
			}
		}
	}
}

func TestS7OneClientDoesNotTakeAllConnections(t *testing.T) {
	_, at := run(t, Config{})
	var held []net.Conn
	for range mostConnections + 8 {
		conn, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
	}
	last := held[len(held)-1]
	_ = last.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := last.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection beyond the last is open: %v", err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}}
	client := mdns.Client{Net: "tcp", Dialer: &dialer}
	if _, _, err := client.Exchange(new(mdns.Msg).SetQuestion("web.shop.svc.cluster.local.", mdns.TypeA), at.String()); err != nil {
		t.Errorf("another client: %v", err)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	answers(t, "tcp", at)
}
