package ipvs

import (
	"net/netip"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/cloudflare/ipvs/netmask"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// mark is the flag that virtual servers of ours have. It is the third of those
// that schedulers may read, and none does.
const mark = ipvs.ServiceSchedulerOpt3

// server is a virtual server of ours, as the kernel has it.
type server struct {
	service  ipvs.Service
	owner    types.NamespacedName
	wanted   bool
	held     bool // its address is on our interface
	backends map[netip.AddrPort]*backend
}

// backend is a destination of a virtual server.
type backend struct {
	// since is when it got no more new connections; zero if it gets some.
	since time.Time
}

var protocols = map[corev1.Protocol]ipvs.Protocol{corev1.ProtocolTCP: ipvs.TCP, corev1.ProtocolUDP: ipvs.UDP, corev1.ProtocolSCTP: ipvs.SCTP}

// serviceOf is the virtual server for a frontend.
func serviceOf(f *proxy.Frontend, scheduler string) ipvs.Service {
	s := named(f.Dial)
	s.Scheduler, s.Flags = scheduler, mark
	switch scheduler {
	case "sh", "mh":
		// Without this fallback a client whose backend drains is refused.
		s.Flags |= ipvs.ServiceSchedulerOpt1
	}
	if f.Affinity > 0 {
		s.Flags |= ipvs.ServicePersistent
		s.Timeout = uint32(f.Affinity / time.Second)
	}
	return s
}

// named is as much of a virtual server as names it.
func named(d proxy.Dial) ipvs.Service {
	s := ipvs.Service{
		Address: d.Address, Port: d.Port, Protocol: protocols[d.Protocol], Family: ipvs.INET, Netmask: netmask.MaskFrom(32, 32),
	}
	if d.Address.Is6() {
		s.Family, s.Netmask = ipvs.INET6, netmask.MaskFrom(128, 128)
	}
	return s
}

// destination is a backend with a weight: 1 is new connections, 0 is none.
func destination(to netip.AddrPort, weight uint32) ipvs.Destination {
	d := ipvs.Destination{Address: to.Addr(), Port: to.Port(), Weight: weight, FwdMethod: ipvs.Masquerade, Family: ipvs.INET}
	if to.Addr().Is6() {
		d.Family = ipvs.INET6
	}
	return d
}

// dialOf answers where a virtual server of the kernel's is dialled; false if no
// frontend is like that.
func dialOf(s *ipvs.Service) (proxy.Dial, bool) {
	if s.FWMark != 0 {
		return proxy.Dial{}, false
	}
	for name, number := range protocols {
		if number == s.Protocol {
			return proxy.Dial{Protocol: name, Address: s.Address.Unmap(), Port: s.Port}, true
		}
	}
	return proxy.Dial{}, false
}
