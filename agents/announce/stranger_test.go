//go:build host

package announce

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"segno/agents/catalog"
	"segno/proto"
)

// n2 is no node here: it has the address by its own settings.
func TestS5AnAddressThatAStrangerHasIsLeftToIt(t *testing.T) {
	l := newLAN(t)
	c := &catalog.Catalog{}
	tell(t, c, node("n1", ""), service("web", vip, vip6), service("api", "192.0.2.241", "2001:db8:1::f1"))
	stranger, mine := l.nodes["n2"], fmt.Sprint([]string{l.nodes["n1"].hardware()})
	for _, address := range []string{vip, vip6} {
		a := netip.MustParseAddr(address)
		stranger.give("eth0", netip.PrefixFrom(a, a.BitLen()).String())
	}
	var said bytes.Buffer
	stop := l.announceTo("n1", c, nil, slog.New(slog.NewTextHandler(&said, nil)))
	for _, free := range []string{"192.0.2.241", "2001:db8:1::f1"} {
		l.eventually("what is free is announced", func() bool { return fmt.Sprint(l.answers(free)) == mine })
	}
	for _, address := range []string{vip, vip6} {
		if got := l.answers(address); fmt.Sprint(got) != fmt.Sprint([]string{stranger.hardware()}) {
			t.Errorf("%s is a stranger's, and answered by %v", address, got)
		}
		a := netip.MustParseAddr(address)
		has, err := netlink.ParseAddr(netip.PrefixFrom(a, a.BitLen()).String())
		must(t, err)
		must(t, stranger.links.AddrDel(stranger.link("eth0"), has))
	}
	for _, address := range []string{vip, vip6} {
		took := l.eventually("it is announced once it is free", func() bool { return fmt.Sprint(l.answers(address)) == mine })
		t.Logf("%s: announced %s after the stranger left", address, took)
	}
	stop()
	if lines := regexp.MustCompile(`(?m)^.*level=WARN.*$`).FindAllString(said.String(), -1); len(lines) != 2 || !strings.Contains(lines[0], `machine=`+stranger.hardware()) {
		t.Errorf("people are told %q", lines)
	}
}

func TestS5GatewaysAreNeverAnnounced(t *testing.T) {
	const mine, theirs = "192.0.2.254", "192.0.2.253"
	l := newLAN(t)
	one := l.nodes["n1"]
	must(t, one.links.RouteAdd(&netlink.Route{LinkIndex: one.link("eth0").Attrs().Index, Gw: netip.MustParseAddr(mine).AsSlice()}))
	c := &catalog.Catalog{}
	other := ready(node("n2", ""), "False")
	other.Annotations[proto.NodeGateways] = theirs + ",nonsense"
	tell(t, c, node("n1", ""), other, service("web", mine), service("api", theirs), service("free", vip))
	l.announce("n1", c, nil)
	l.eventually("another address is announced", func() bool { return len(l.answers(vip)) == 1 })
	for _, gateway := range []string{mine, theirs} {
		if got := l.answers(gateway); len(got) > 0 {
			t.Errorf("the gateway %s is answered for by %v", gateway, got)
		}
	}
}
