// Package flows makes the kernel forget where flows of UDP went.
//
// What comes in: what Services were and are, and pods whose ports of the node went.
// What goes out: entries deleted from the kernel's table of connections, so that
// their clients meet a backend that there is. What never happens here: the end of
// a connection of TCP; a failure because the kernel keeps its table to itself.
//
// Start with this file; kernel.go reaches the table.
package flows

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// flows tells which flows of UDP the kernel must forget: those to a frontend
// that come from no backend that it has.
type flows map[netip.AddrPort]map[netip.AddrPort]struct{}

// Touched are the Services among these whose UDP flows may lead elsewhere now:
// where a backend went, or the first one came. Told is what they were.
func Touched(told map[types.NamespacedName]proxy.Rules, changed []proxy.Rules) []proxy.Rules {
	var out []proxy.Rules
	for i := range changed {
		before := told[changed[i].Service]
		after := map[proxy.Dial]*proxy.Frontend{}
		for j := range changed[i].Frontends {
			after[changed[i].Frontends[j].Dial] = &changed[i].Frontends[j]
		}
		here := proxy.Rules{Service: changed[i].Service}
		for j := range before.Frontends {
			was := &before.Frontends[j]
			is, still := after[was.Dial]
			if !still {
				here.Frontends = append(here.Frontends, proxy.Frontend{Dial: was.Dial})
			} else if lost(was, is) {
				here.Frontends = append(here.Frontends, *is)
			}
			delete(after, was.Dial)
		}
		for _, fresh := range after {
			here.Frontends = append(here.Frontends, *fresh)
		}
		if len(here.Frontends) > 0 {
			out = append(out, here)
		}
	}
	return out
}

// lost says that a backend went, or that there was none.
func lost(was, is *proxy.Frontend) bool {
	if len(was.Outside.Backends) == 0 || len(was.Inside.Backends) == 0 {
		return true
	}
	left := backendsOf(is)
	for b := range backendsOf(was) {
		if _, ok := left[b]; !ok {
			return true
		}
	}
	return false
}

func backendsOf(f *proxy.Frontend) map[netip.AddrPort]struct{} {
	out := map[netip.AddrPort]struct{}{}
	for _, c := range []proxy.Choice{f.Inside, f.Outside} {
		for _, b := range c.Backends {
			out[b.Address] = struct{}{}
		}
	}
	return out
}

// End makes the kernel forget flows that lead nowhere: UDP has no end, and
// who goes on sending would never meet another backend.
func (k *Kernel) End(services []proxy.Rules) error {
	var want [2]flows
	for i := range services {
		for j := range services[i].Frontends {
			f := &services[i].Frontends[j]
			if f.Dial.Protocol != corev1.ProtocolUDP {
				continue
			}
			at := 0
			if f.Dial.Address.Is6() {
				at = 1
			}
			if want[at] == nil {
				want[at] = flows{}
			}
			want[at][netip.AddrPortFrom(f.Dial.Address, f.Dial.Port)] = backendsOf(f)
		}
	}
	for i, family := range families {
		if want[i] == nil {
			continue
		}
		if err := k.forget(family, want[i]); err != nil {
			return fmt.Errorf("end UDP flows to backends that are gone: %w", err)
		}
	}
	return nil
}

// MatchConntrackFlow says whether the kernel must forget a flow.
func (f flows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	dialled, ok := netip.AddrFromSlice(flow.Forward.DstIP)
	if !ok {
		return false
	}
	may, ours := f[netip.AddrPortFrom(dialled.Unmap(), flow.Forward.DstPort)]
	if !ours {
		return false
	}
	answers, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	_, there := may[netip.AddrPortFrom(answers.Unmap(), flow.Reverse.SrcPort)]
	return !there
}

// answerers are pods whose flows of UDP the kernel must forget, whoever was dialled.
type answerers map[netip.Addr]struct{}

// EndOf makes the kernel forget flows of UDP that these pods answer.
func (k *Kernel) EndOf(pods []netip.Addr) error {
	var want [2]answerers
	for _, pod := range pods {
		at := 0
		if pod.Is6() {
			at = 1
		}
		if want[at] == nil {
			want[at] = answerers{}
		}
		want[at][pod] = struct{}{}
	}
	for i, family := range families {
		if want[i] == nil {
			continue
		}
		if err := k.forget(family, want[i]); err != nil {
			return fmt.Errorf("end UDP flows to pods that are gone: %w", err)
		}
	}
	return nil
}

// MatchConntrackFlow says whether the kernel must forget a flow.
func (a answerers) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	pod, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	_, gone := a[pod.Unmap()]
	return gone && flow.Forward.Protocol == unix.IPPROTO_UDP
}
