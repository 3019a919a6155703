//go:build host

package network

import (
	"net/netip"
	"strings"
	"testing"

	"segno/agents/runtime"
)

func TestS3APortOfTheNodeLeadsToAPod(t *testing.T) {
	l := newLAN(t)
	n1 := l.node(Config{}, "n1", "10.77.1.0/24,fd77:1::/64", "192.0.2.1/24", "192.0.2.11/24", "2001:db8::1/64")
	n2 := l.node(Config{}, "n2", "10.77.2.0/24,fd77:2::/64", "192.0.2.2/24")
	outside := l.host("outside", "192.0.2.9/24", "2001:db8::9/64")
	ports := []HostPort{
		{Protocol: "TCP", Port: 8080, Target: 80}, {Protocol: "UDP", Port: 8080, Target: 82},
		{Protocol: "TCP", Port: 8081, Target: 80, Address: netip.MustParseAddr("192.0.2.11")},
	}
	one, at := n1.pod("one", ports...)
	for _, what := range []string{"listen :80", "echo :82"} {
		expect(t, what, one.tell(what), "ok")
	}
	expect(t, "before the peers are known", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9")
	meet(n1, n2)
	other, _ := n1.pod("other")
	far, _ := n2.pod("far")
	for _, c := range []struct{ who, said, want string }{
		{"an outsider", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9"},
		{"an outsider by IPv6", outside.play("dial", "[2001:db8::1]:8080"), "from 2001:db8::9"},
		{"an outsider by UDP", outside.play("ask", "192.0.2.1:8080 10"), "from 192.0.2.9 10"},
		{"an outsider, to the one address", outside.play("dial", "192.0.2.11:8081"), "from 192.0.2.9"},
		{"the node", n1.play("dial", "192.0.2.1:8080"), "from 192.0.2.1"},
		{"a pod beside it", other.tell("dial 192.0.2.1:8080"), "from 10.77.1.1"},
		{"a pod of another node", far.tell("dial 192.0.2.1:8080"), "from 192.0.2.2"},
		{"itself", one.tell("dial 192.0.2.1:8080"), "from 10.77.1.1"},
		{"itself, to the one address", one.tell("dial 192.0.2.11:8081"), "from 10.77.1.1"},
	} {
		expect(t, c.who, c.said, c.want)
	}
	closed := func(what string, said string) {
		t.Helper()
		if !strings.Contains(said, "refused") {
			t.Errorf("%s: %s", what, said)
		}
	}
	closed("another address", outside.play("dial", "192.0.2.1:8081"))
	n1.in(func() {
		if err := n1.bridge.Attach(t.Context(), "one", runtime.Sandbox{PID: one.pid, Address: at[0]}, ports[1:]); err != nil {
			t.Fatal(err)
		}
	})
	closed("a port that the pod has no longer", outside.play("dial", "192.0.2.1:8080"))
	expect(t, "the others", outside.play("dial", "192.0.2.11:8081"), "from 192.0.2.9")
	n1.in(func() { l.must(n1.bridge.Release(t.Context(), "one")) })
	closed("a pod that is gone", outside.play("dial", "192.0.2.11:8081"))

	// One that goes while no agent runs.
	two, _ := n1.pod("two", ports...)
	expect(t, "listen", two.tell("listen :80"), "ok")
	expect(t, "the next pod", outside.play("dial", "192.0.2.1:8080"), "from 192.0.2.9")
	n1.start(nil)
	closed("a pod that went while no agent ran", outside.play("dial", "192.0.2.1:8080"))
	bad := HostPort{Protocol: "ICMP", Port: 1, Target: 1}
	n1.in(func() {
		err := n1.bridge.publish([]netip.Addr{netip.MustParseAddr("10.77.1.9")}, []HostPort{bad})
		if err == nil || !strings.Contains(err.Error(), "must be TCP, UDP or SCTP") {
			t.Errorf("a protocol that there is not: %v", err)
		}
	})
}
