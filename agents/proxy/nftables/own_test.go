//go:build host

package nftables

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	nft "github.com/google/nftables"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/network"
	"segno/agents/proxy"
	"segno/agents/proxy/proxytest"
)

func TestS3NftablesIsAPlane(t *testing.T) { proxytest.Run(t, harness) }

// rulesOf is a Service with a virtual port of each kind of element.
func rulesOf(name, ip string, backends ...string) proxy.Rules {
	c := proxy.Choice{}
	for _, b := range backends {
		c.Backends = append(c.Backends, proxy.Backend{Address: netip.MustParseAddrPort(b), Local: true})
	}
	at := netip.MustParseAddr(ip)
	r := proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: name}}
	for i, protocol := range []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP} {
		f := proxy.Frontend{Dial: proxy.Dial{Protocol: protocol, Address: at, Port: uint16(80 + i)}, Kind: proxy.ClusterIP, Inside: c, Outside: c, Masquerade: true}
		switch i {
		case 0:
			f.Affinity = 10 * time.Second
		case 1:
			f.Limited, f.Sources = true, []netip.Prefix{netip.PrefixFrom(at, 8)}
		case 2:
			f.Outside = proxy.Choice{Drop: true}
		}
		r.Frontends = append(r.Frontends, f)
	}
	return r
}

// dump is all that the kernel has in our tables, save what hangs on counters.
func dump(t *testing.T, p *Plane) string {
	t.Helper()
	k, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for e, value := range k.elements {
		out = append(out, strings.Join([]string{string('4' + rune(e.family)*2), e.set.String(), e.key, value}, "|"))
	}
	for i := range k.verdicts {
		for _, v := range k.verdicts[i] {
			out = append(out, v.in+string(v.key))
		}
		for _, name := range k.chains[i] {
			rules, err := p.conn.GetRules(p.layouts[i].table, &nft.Chain{Name: name})
			if err != nil { // there are some: the library cannot read the direction of ct
				name += " rules"
			}
			out = append(out, name+strings.Repeat(" rule", len(rules)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func state(rules ...proxy.Rules) proxy.State {
	return proxy.State{Inside: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:244:1::/64")}, Services: rules}
}

func must(t *testing.T, failed proxy.Failures, err error) {
	t.Helper()
	if err != nil || len(failed) > 0 {
		t.Fatal(err, failed)
	}
}

// TestS3StepsAndOneSyncLeadToTheSame: whatever happened before, the tables are
// those that a fresh plane makes.
func TestS3StepsAndOneSyncLeadToTheSame(t *testing.T) {
	web, web6 := rulesOf("web", "10.96.0.1", "10.244.1.2:80", "10.244.1.3:80"), rulesOf("web6", "fd00:96::1", "[fd00:244:1::2]:80")
	p := newPlane(t).(*Plane)
	defer func() { _ = p.Remove(t.Context()) }()
	sync := func(s proxy.State) { t.Helper(); f, err := p.Sync(t.Context(), s); must(t, f, err) }
	set := func(r ...proxy.Rules) { t.Helper(); f, err := p.Set(t.Context(), r); must(t, f, err) }
	sync(state(web, web6))
	want := dump(t, p)
	sync(state(web, web6))
	if got := dump(t, p); got != want {
		t.Errorf("a second sync:\n%s\nwant\n%s", got, want)
	}
	set(proxy.Rules{Service: web.Service}, rulesOf("web6", "fd00:96::2"))
	set(rulesOf("web", "10.96.0.1", "10.244.1.3:80", "10.244.1.4:80", "10.244.1.5:80"), rulesOf("api", "10.96.0.3"))
	set(web, web6, proxy.Rules{Service: types.NamespacedName{Namespace: "shop", Name: "api"}})
	sync(state(web, web6)) // chains of classes stay until then
	if got := dump(t, p); got != want {
		t.Errorf("after some steps:\n%s\nwant\n%s", got, want)
	}
	again := newPlane(t).(*Plane) // a restarted agent
	f, err := again.Sync(t.Context(), state(web, web6))
	must(t, f, err)
	if got := dump(t, again); got != want {
		t.Errorf("after a restart:\n%s\nwant\n%s", got, want)
	}
	sync(state())
	if len(p.told)+len(p.shared)+len(p.classes) != 0 {
		t.Errorf("kept: %v %v %v", p.told, p.shared, p.classes)
	}
	for _, line := range strings.Split(dump(t, p), "\n") {
		if strings.Contains(line, "|") || strings.HasPrefix(line, classPrefix) || owned(line) {
			t.Errorf("left: %q", line)
		}
	}
}

// TestS3AClusterIPAtWhichTheNodeAnswersIsNotRefused, as that of DNS.
func TestS3AClusterIPAtWhichTheNodeAnswersIsNotRefused(t *testing.T) {
	p := newPlane(t).(*Plane)
	defer func() { _ = p.Remove(t.Context()) }()
	if err := network.Answer(netip.MustParseAddr("10.96.0.53")); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = network.Answer() }()
	f, err := p.Sync(t.Context(), state(rulesOf("dns", "10.96.0.53", "10.244.1.2:80")))
	must(t, f, err)
	if !strings.Contains(dump(t, p), "4|cluster-ips|\x0a\x60\x00\x35") {
		t.Error("it is no cluster IP")
	}
	l, err := net.Listen("tcp", "10.96.0.53:9153")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// TestS3WhatOthersDidIsPutRight, in our tables; theirs stay as they are.
func TestS3WhatOthersDidIsPutRight(t *testing.T) {
	web := rulesOf("web", "10.96.0.1", "10.244.1.2:80", "10.244.1.3:80")
	p := newPlane(t).(*Plane)
	defer func() { _ = p.Remove(t.Context()) }()
	theirs := &nft.Table{Name: "theirs", Family: nft.TableFamilyIPv4}
	p.conn.AddTable(theirs)
	p.conn.AddChain(&nft.Chain{Name: classPrefix + "5", Table: theirs})
	if err := p.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	defer func() { p.conn.DelTable(theirs); _ = p.conn.Flush() }()
	f, err := p.Sync(t.Context(), state(web))
	must(t, f, err)
	want := dump(t, p)
	l := &p.layouts[0]
	for what, spoil := range map[string]func(){
		"elements deleted": func() { p.conn.FlushSet(l.sets[backends.String()]) },
		"an element added": func() {
			_ = p.conn.SetAddElements(l.sets[masquerade.String()], []nft.SetElement{{Key: dialBytes(proxy.Dial{Protocol: "TCP", Address: netip.MustParseAddr("1.2.3.4"), Port: 1})}})
		},
		"rules deleted":   func() { p.conn.FlushTable(l.table) },
		"the table gone":  func() { p.conn.DelTable(l.table) },
		"another layout":  func() { p.conn.DelChain(&nft.Chain{Name: layoutMark, Table: l.table}) },
		"another's chain": func() { p.conn.AddChain(&nft.Chain{Name: classPrefix + "77", Table: l.table}) },
	} {
		spoil()
		if err := p.conn.Flush(); err != nil {
			t.Fatal(what, err)
		}
		f, err := p.Sync(t.Context(), state(web))
		must(t, f, err)
		if got := dump(t, p); got != want {
			t.Errorf("%s: then\n%s\nwant\n%s", what, got, want)
		}
	}
	if err := p.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	chains, err := p.conn.ListChainsOfTableFamily(nft.TableFamilyIPv4)
	if err != nil || len(chains) != 1 || chains[0].Table.Name != "theirs" {
		t.Errorf("left of others: %v, %v", chains, err)
	}
}

// TestS3AChangeThatTheKernelRefuses names its Service, and the others are done.
func TestS3AChangeThatTheKernelRefuses(t *testing.T) {
	var log strings.Builder
	p, err := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Remove(t.Context()) }()
	web, bad := rulesOf("web", "10.96.0.1", "10.244.1.2:80"), rulesOf("bad", "10.96.0.2", "10.244.1.3:80")
	bad.Frontends[1].Outside.Backends = append(slices.Clone(bad.Frontends[1].Outside.Backends), proxy.Backend{Address: netip.MustParseAddrPort("[fd00::1]:80")})
	f, err := p.Sync(t.Context(), state(bad, web))
	if err != nil || len(f) != 1 || f[bad.Service] == nil {
		t.Errorf("sync: %v, %v", f, err)
	}
	f, err = p.Set(t.Context(), []proxy.Rules{bad, rulesOf("web", "10.96.0.1", "10.244.1.9:80")})
	if err != nil || len(f) != 1 || f[bad.Service] == nil {
		t.Errorf("set: %v, %v", f, err)
	}
	if got := dump(t, p); strings.Contains(got, "\x0a\x60\x00\x02") || !strings.Contains(got, "\x0a\xf4\x01\x09") {
		t.Errorf("the tables have\n%q", got)
	}
	// It is known by now: the others stay as they are, and it may get better.
	log.Reset()
	if f, err = p.Sync(t.Context(), state(bad, web)); err != nil || len(f) != 1 || f[bad.Service] == nil || log.Len() > 0 {
		t.Errorf("sync again: %v, %v: %s", f, err, log.String())
	}
	f, err = p.Sync(t.Context(), state(rulesOf("bad", "10.96.0.2", "10.244.1.3:80"), web))
	must(t, f, err)
	if got := dump(t, p); !strings.Contains(got, "\x0a\x60\x00\x02") || len(p.refused) > 0 {
		t.Errorf("once it makes sense: %v\n%q", p.refused, got)
	}
}

// TestS3PodsOfOneBridgeThatTheKernelDoesNotShow reach each other by a Service
// all the same.
func TestS3PodsOfOneBridgeThatTheKernelDoesNotShow(t *testing.T) {
	for i := range families("") {
		path := families("")[i].bridgeSwitch
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("0"), 0o644); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.WriteFile(path, before, 0o644) }()
	}
	proxytest.Run(t, harness, "TestS3FromPodsAndTheNode", "TestS3IPv6", "TestS3Hairpin")
}

// TestS3AdministratorsCanReadTheTables with the tool that they have.
func TestS3AdministratorsCanReadTheTables(t *testing.T) {
	p := newPlane(t).(*Plane)
	defer func() { _ = p.Remove(t.Context()) }()
	f, err := p.Sync(t.Context(), state(rulesOf("web", "10.96.0.1", "10.244.1.2:80", "10.244.1.3:80"), rulesOf("web6", "fd00:96::1", "[fd00:244:1::2]:80")))
	must(t, f, err)
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft (setup/packages.sh nftables installs it): %v: %s", err, out)
	}
	for _, want := range []string{"10.96.0.1 . tcp . 81 . 0x00000001 : 10.244.1.3 . 80", "dnat ip6 to ip6 daddr . meta l4proto", "reject with tcp reset"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing like %q in\n%s", want, out)
		}
	}
}
