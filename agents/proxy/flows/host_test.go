//go:build host

package flows

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// enter goes to a network namespace of the test's own.
func enter(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread goes with the test
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = space.Close() })
}

// connection makes the kernel remember a client of an address whom another one
// answers.
func connection(t *testing.T, protocol uint8, client, dialled, answers string) {
	t.Helper()
	from, to, by := netip.MustParseAddrPort(client), netip.MustParseAddrPort(dialled), netip.MustParseAddrPort(answers)
	flow := &netlink.ConntrackFlow{
		FamilyType: unix.AF_INET, TimeOut: 600,
		Forward: netlink.IPTuple{Protocol: protocol, SrcIP: from.Addr().AsSlice(), SrcPort: from.Port(), DstIP: to.Addr().AsSlice(), DstPort: to.Port()},
		Reverse: netlink.IPTuple{Protocol: protocol, SrcIP: by.Addr().AsSlice(), SrcPort: by.Port(), DstIP: from.Addr().AsSlice(), DstPort: from.Port()},
	}
	if protocol == unix.IPPROTO_TCP {
		flow.ProtoInfo = &netlink.ProtoInfoTCP{State: 3} // established
	}
	if to.Addr().Is6() {
		flow.FamilyType = unix.AF_INET6
	}
	if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.InetFamily(flow.FamilyType), flow); err != nil {
		t.Fatalf("%s to %s: %v", client, dialled, err)
	}
}

// left are the ports of clients that the kernel remembers.
func left(t *testing.T) string {
	t.Helper()
	var out []string
	for _, family := range families {
		all, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, flow := range all {
			out = append(out, fmt.Sprint(flow.Forward.SrcPort))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestS5TheKernelForgetsFlowsOfUDP to what is no more, and no others.
func TestS5TheKernelForgetsFlowsOfUDP(t *testing.T) {
	enter(t)
	const here, gone, service = "10.244.0.1:53", "10.244.0.2:53", "10.96.0.53:53"
	connection(t, unix.IPPROTO_UDP, "10.244.0.9:1001", service, here)
	connection(t, unix.IPPROTO_UDP, "10.244.0.9:1002", service, gone)
	connection(t, unix.IPPROTO_UDP, "10.244.0.9:1003", service, service) // from before there was a backend
	connection(t, unix.IPPROTO_TCP, "10.244.0.9:1004", service, gone)
	connection(t, unix.IPPROTO_UDP, "10.244.0.9:1005", "10.96.0.53:54", gone)
	connection(t, unix.IPPROTO_UDP, "10.244.0.9:1006", "10.96.0.54:53", gone)
	connection(t, unix.IPPROTO_UDP, "[fd00::9]:1007", "[fd00:96::35]:53", "[fd77::2]:53")
	var k Kernel
	if err := k.End([]proxy.Rules{dns(here)}); err != nil {
		t.Fatal(err)
	}
	if got := left(t); got != "1001 1004 1005 1006 1007" {
		t.Errorf("of a Service whose backend went it remembers %s", got)
	}
	if err := k.EndOf([]netip.Addr{netip.MustParseAddr("10.244.0.2"), netip.MustParseAddr("fd77::2")}); err != nil {
		t.Fatal(err)
	}
	if got := left(t); got != "1001 1004" {
		t.Errorf("of a pod that went it remembers %s", got)
	}
}
