package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"
)

const (
	arpa4 = ".in-addr.arpa."
	arpa6 = ".ip6.arpa."
)

// reversed reads the address that a name below arpa, in lower case, stands for.
func reversed(name string) (netip.Addr, bool) {
	if digits, ok := strings.CutSuffix(name, arpa4); ok {
		labels := strings.Split(digits, ".")
		slices.Reverse(labels)
		addr, err := netip.ParseAddr(strings.Join(labels, "."))
		return addr, err == nil && addr.Is4()
	}
	digits, ok := strings.CutSuffix(name, arpa6)
	if !ok || len(digits) != 63 {
		return netip.Addr{}, false
	}
	var bytes [16]byte
	for i := range 32 {
		nibble, err := strconv.ParseUint(digits[2*i:2*i+1], 16, 4)
		if err != nil || (i < 31 && digits[2*i+1] != '.') {
			return netip.Addr{}, false
		}
		at := 31 - i
		bytes[at/2] |= byte(nibble) << (4 * (1 - at%2))
	}
	return netip.AddrFrom16(bytes), true
}

// reverse answers for the name of an address, unless the address is none that
// the cluster knows.
func (z *zone) reverse(q mdns.Question, addr netip.Addr) (answer, bool) {
	names := z.index.names(addr)
	if len(names) == 0 {
		return answer{}, false
	}
	if q.Qtype != mdns.TypePTR {
		return noData, true
	}
	slices.SortFunc(names, func(a, b backName) int { // the Service's own name first
		return cmp.Or(cmp.Compare(min(1, len(a.host)), min(1, len(b.host))), cmp.Compare(a.service.String(), b.service.String()), cmp.Compare(a.host, b.host))
	})
	var a answer
	for _, name := range names[:min(len(names), most)] {
		to := z.nameOf(name.service)
		if name.host != "" {
			to = name.host + "." + to
		}
		a.answer = append(a.answer, &mdns.PTR{Hdr: header(q.Name, mdns.TypePTR), Ptr: to})
	}
	return a, true
}

// arpaOf is the smallest zone of whole labels below arpa that holds a network.
func arpaOf(network netip.Prefix) string {
	addr := network.Masked().Addr()
	full, err := mdns.ReverseAddr(addr.String())
	if err != nil {
		return "."
	}
	perLabel, all := 8, 4
	if addr.Is6() {
		perLabel, all = 4, 32
	}
	labels := strings.SplitAfter(full, ".")
	return strings.Join(labels[all-network.Bits()/perLabel:], "")
}
