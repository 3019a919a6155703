package kinds

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TestS1BandGivesEverything: whatever the seed, a range is given out to its
// last number, and what is kept for people's own choice goes last.
func TestS1BandGivesEverything(t *testing.T) {
	for _, seed := range []uint32{0, 1, 99, 1 << 31, 1<<32 - 1} {
		b := band{size: 100, reserved: 20}
		var given []uint32
		for {
			n, ok := b.find(seed, func(n uint32) bool { return slices.Contains(given, n) })
			if !ok {
				break
			}
			given = append(given, n)
		}
		if len(given) != 100 {
			t.Fatalf("seed %d: %d numbers given", seed, len(given))
		}
		for i, n := range given {
			if n >= 100 || (n < 20) != (i >= 80) || slices.Index(given, n) != i {
				t.Errorf("seed %d: number %d is %d", seed, i, n)
			}
		}
	}
}

// TestS1Addresses: the range begins and ends inside the network.
func TestS1Addresses(t *testing.T) {
	for _, c := range []struct{ network, first, last, dns string }{
		{"10.96.0.0/16", "10.96.0.1", "10.96.255.254", "10.96.0.10"},
		{"10.96.0.0/28", "10.96.0.1", "10.96.0.14", "10.96.0.10"},
		{"172.16.32.0/20", "172.16.32.1", "172.16.47.254", "172.16.32.10"},
		{"10.0.0.0/8", "10.0.0.1", "10.255.255.254", "10.0.0.10"},
		{"fd00:96::/124", "fd00:96::1", "fd00:96::f", "fd00:96::a"},
		{"fd00:96::/112", "fd00:96::1", "fd00:96::ffff", "fd00:96::a"},
		{"fd00:96::/48", "fd00:96::1", "fd00:96::ff:ffff", "fd00:96::a"},
	} {
		p := poolOf(netip.MustParsePrefix(c.network))
		first, last := p.at(0), p.at(p.size-1)
		if first.String() != c.first || last.String() != c.last || !p.usable(first) || !p.usable(last) || p.reserved >= p.size {
			t.Errorf("%s: from %s to %s, %d of %d kept", c.network, first, last, p.reserved, p.size)
		}
		if dns := (ServiceRanges{Networks: []netip.Prefix{p.network}}).DNS(); dns.String() != c.dns {
			t.Errorf("%s: the DNS is at %s", c.network, dns)
		}
		if p.usable(p.network.Addr()) || p.usable(first.Prev().Prev()) {
			t.Errorf("%s: its own address, or one before it, can be a Service's", c.network)
		}
	}
}

// TestS7TheAddressesOfDNSAndAPIAreNotGivenOut: not even when they are the last.
func TestS7TheAddressesOfDNSAndAPIAreNotGivenOut(t *testing.T) {
	ranges := ServiceRanges{Networks: []netip.Prefix{DefaultServiceNetwork}, Ports: DefaultNodePorts}
	all := poolOf(DefaultServiceNetwork)
	u := &used{ips: map[string]bool{}}
	for n := range all.size {
		u.ips[all.at(n).String()] = all.at(n) != ranges.DNS() && all.at(n) != ranges.API()
	}
	assign := func() (*corev1.Service, field.ErrorList) {
		service := &corev1.Service{Spec: corev1.ServiceSpec{IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}}}
		return service, allocation{ranges: ranges, used: u, service: service}.assignIPs()
	}
	const full = "[spec.clusterIPs: Internal error: failed to allocate a serviceIP: range is full: all addresses of 10.96.0.0/16 are in use]"
	if _, errs := assign(); fmt.Sprint(errs) != full {
		t.Errorf("%v", errs)
	}
	u.ips["10.96.0.9"] = false
	if service, errs := assign(); len(errs) != 0 || service.Spec.ClusterIP != "10.96.0.9" {
		t.Errorf("%s, %v", service.Spec.ClusterIP, errs)
	}
}
