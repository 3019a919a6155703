package dns

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
)

// quiet is a server that is not run, and knows nobody else.
func quiet(t testing.TB) *Server {
	t.Helper()
	s, err := New(Config{
		Catalog: known(t, shop), Addresses: []netip.AddrPort{netip.MustParseAddrPort("10.96.0.10:53")},
		Networks: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00::/15")},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.upstreams.path = ""
	return s
}

// Whatever bytes come, the answer is one to the question, and fits.
func FuzzPacket(f *testing.F) {
	for _, name := range []string{
		"web.shop.svc.cluster.local.", "outside.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "circle.shop.svc.cluster.local.",
		"10-1-1-1.a.pod.cluster.local.", "7.0.96.10.in-addr.arpa.", "9.0.96.10.in-addr.arpa.", "a.example.", ".", `\000.cluster.local.`,
	} {
		for _, kind := range []uint16{mdns.TypeA, mdns.TypeSRV, mdns.TypePTR, mdns.TypeANY, mdns.TypeHINFO} {
			query := new(mdns.Msg).SetQuestion(name, kind)
			query.SetEdns0(4096, kind == mdns.TypeA)
			if packet, err := query.Pack(); err == nil {
				f.Add(packet, kind != mdns.TypeSRV)
			}
		}
	}
	s := quiet(f)
	f.Fuzz(func(t *testing.T, packet []byte, udp bool) {
		query := new(mdns.Msg)
		if query.Unpack(packet) != nil {
			return
		}
		out, err := packed(s.respond(t.Context(), query), query, udp)
		if err != nil {
			return // as when the question itself could not be written again
		}
		limit := mdns.MaxMsgSize
		if udp {
			limit = udpSize
			if query.IsEdns0() == nil {
				limit = mdns.MinMsgSize
			}
		}
		reply := new(mdns.Msg)
		if err := reply.Unpack(out); err != nil || len(out) > limit || reply.Id != query.Id || !reply.Response {
			t.Errorf("%v, %d bytes: %s", err, len(out), reply)
		}
	})
}

// Whatever a Service says, the index takes it, and gives it up again.
func FuzzService(f *testing.F) {
	f.Add("web", "shop", "10.0.0.1", "http", "host", "example.com", int32(80), true)
	f.Add("a.b", "", "None", "_x", `\`, ".", int32(-1), false)
	f.Fuzz(func(t *testing.T, name, namespace, ip, label, host, external string, number int32, ready bool) {
		service := catalog.Service{Service: &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec: corev1.ServiceSpec{
				ClusterIP: ip, ClusterIPs: []string{ip, external}, ExternalName: external, Type: corev1.ServiceType(label),
				Ports: []corev1.ServicePort{{Name: label, Port: number, Protocol: corev1.Protocol(host)}},
			},
		}}
		if ready {
			service.Spec.ClusterIP = corev1.ClusterIPNone
		}
		service.Slices = []*discoveryv1.EndpointSlice{{
			Ports:     []discoveryv1.EndpointPort{{}, {Name: &label, Port: &number}},
			Endpoints: []discoveryv1.Endpoint{{}, {Addresses: []string{ip, "10.1.1.1", host}, Hostname: &host}, {Addresses: []string{"10.1.1.1"}}},
		}}
		z := &zone{domain: "cluster.local.", index: newIndex(), shuffle: func(int, func(i, j int)) {}}
		e := newEntry(service)
		id := types.NamespacedName{Namespace: namespace, Name: name}
		z.index.set(id, e)
		if z.index.service(id) != nil {
			for _, q := range []string{"", host + ".", "_" + label + "._tcp."} {
				for _, kind := range []uint16{mdns.TypeA, mdns.TypeSRV} {
					reply := new(mdns.Msg).SetQuestion(q+name+"."+namespace+".svc.cluster.local.", kind)
					a := z.lookup(reply.Question[0])
					reply.Question[0].Name = "."
					reply.Answer, reply.Extra = a.answer, a.extra
					if _, err := reply.Pack(); err != nil && len(a.answer) > 0 {
						t.Errorf("%s: %v", reply, err)
					}
				}
			}
			if reply, found := z.reverse(question("1.1.1.10.in-addr.arpa.", "PTR"), netip.MustParseAddr("10.1.1.1")); found {
				if _, err := (&mdns.Msg{Answer: reply.answer}).Pack(); err != nil {
					t.Error(err)
				}
			}
		}
		z.index.set(id, nil)
		if len(z.index.services)+len(z.index.back)+len(z.index.namespaces) != 0 {
			t.Errorf("left: %+v", z.index)
		}
	})
}

func TestS7WhatIsNotAQuestion(t *testing.T) {
	s := quiet(t)
	plain := func() *mdns.Msg { return new(mdns.Msg).SetQuestion("web.shop.svc.cluster.local.", mdns.TypeA) }
	for _, test := range []struct {
		name   string
		change func(m *mdns.Msg)
		want   int
	}{
		{"a question", func(*mdns.Msg) {}, mdns.RcodeSuccess},
		{"no question", func(m *mdns.Msg) { m.Question = nil }, mdns.RcodeFormatError},
		{"two questions", func(m *mdns.Msg) { m.Question = append(m.Question, m.Question[0]) }, mdns.RcodeFormatError},
		{"an update", func(m *mdns.Msg) { m.Opcode = mdns.OpcodeUpdate }, mdns.RcodeFormatError},
		{"of another class", func(m *mdns.Msg) { m.Question[0].Qclass = mdns.ClassCHAOS }, mdns.RcodeRefused},
		{"of another version", func(m *mdns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }, mdns.RcodeBadVers},
	} {
		query := plain()
		test.change(query)
		if reply := s.respond(t.Context(), query); reply.Rcode != test.want || (reply.IsEdns0() != nil) != (query.IsEdns0() != nil) {
			t.Errorf("%s: %s", test.name, mdns.RcodeToString[reply.Rcode])
		}
	}
	// The same over the wire, where what is not even a message has no answer and harms nobody.
	_, at := run(t, Config{})
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	update := plain()
	update.Opcode = mdns.OpcodeNotify
	bytes, err := update.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, packet := range [][]byte{{}, {1}, []byte("GET / HTTP/1.1"), make([]byte, 5000), bytes} {
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buffer := make([]byte, 512)
	n, err := conn.Read(buffer)
	reply := new(mdns.Msg)
	for err == nil && reply.Unpack(buffer[:n]) == nil && reply.Id != update.Id {
		n, err = conn.Read(buffer)
	}
	if err != nil || reply.Rcode != mdns.RcodeNotImplemented {
		t.Errorf("a NOTIFY: %v, %s", err, reply)
	}
	if got := look(t, at, "web.shop.svc.cluster.local.", "A"); got != "NOERROR (web.shop.svc.cluster.local A 10.96.0.7)" {
		t.Error(got)
	}
}

func TestS7TheCacheIsBoundedAndForgets(t *testing.T) {
	c := newCache(3)
	now := time.Now()
	c.now = func() time.Time { return now }
	answerFor := func(text string) *mdns.Msg {
		rr, err := mdns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return &mdns.Msg{Answer: []mdns.RR{rr}}
	}
	name := func(i int) key { return key{name: fmt.Sprint(i)} }
	for i := range 4 {
		c.put(name(i), answerFor("a.example. 30 IN A 192.0.2.1"))
		c.get(name(0)) // is used most
	}
	if c.get(name(1)) != nil || c.get(name(0)) == nil || c.get(name(3)) == nil || c.recent.Len() != 3 || len(c.byKey) != 3 {
		t.Errorf("kept: %v", c.byKey)
	}
	now = now.Add(10 * time.Second)
	if reply := c.get(name(0)); reply.Answer[0].Header().Ttl != 20 {
		t.Errorf("after ten seconds: %s", reply)
	}
	now = now.Add(20 * time.Second)
	if c.get(name(0)) != nil || c.recent.Len() != 2 {
		t.Error("an answer outlived its time")
	}
	soa := func(ttl string) *mdns.Msg {
		m := answerFor("example. " + ttl + " IN SOA ns.example. m.example. 1 2 3 4 40")
		m.Ns, m.Answer, m.Rcode = m.Answer, nil, mdns.RcodeNameError
		return m
	}
	long := answerFor("a.example. 99999999 IN A 192.0.2.1")
	cut := answerFor("a.example. 30 IN A 192.0.2.1")
	cut.Truncated = true
	failed := answerFor("a.example. 30 IN A 192.0.2.1")
	failed.Rcode = mdns.RcodeServerFailure
	for _, test := range []struct {
		name  string
		reply *mdns.Msg
		want  time.Duration
	}{
		{"an answer", answerFor("a.example. 30 IN A 192.0.2.1"), 30 * time.Second},
		{"for ever", long, longest},
		{"not at all", answerFor("a.example. 0 IN A 192.0.2.1"), 0},
		{"cut short", cut, 0},
		{"a failure", failed, 0},
		{"missing", soa("50"), 40 * time.Second},
		{"missing, for a shorter time", soa("5"), 5 * time.Second},
		{"missing, nobody says for how long", &mdns.Msg{}, 0},
	} {
		if got := lifeOf(test.reply); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	large := &mdns.Msg{}
	for range 300 {
		large.Answer = append(large.Answer, answerFor("a.example. 30 IN A 192.0.2.1").Answer...)
	}
	c.put(name(9), large)
	if c.get(name(9)) != nil {
		t.Error("a huge answer was kept")
	}
}
