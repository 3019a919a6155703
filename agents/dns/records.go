package dns

import (
	"net/netip"
	"slices"

	mdns "github.com/miekg/dns"
)

func header(owner string, kind uint16) mdns.RR_Header {
	return mdns.RR_Header{Name: owner, Rrtype: kind, Class: mdns.ClassINET, Ttl: ttl}
}

// only answers the record to a question for its type.
func only(q mdns.Question, kind uint16, record mdns.RR) answer {
	if q.Qtype != kind {
		return noData
	}
	return answer{answer: []mdns.RR{record}}
}

// addresses are the records of the given types, as many as an answer has.
func addresses(owner string, addrs []netip.Addr, kinds ...uint16) []mdns.RR {
	var out []mdns.RR
	for _, addr := range addrs {
		switch {
		case len(out) == most:
			return out
		case addr.Is4() && slices.Contains(kinds, mdns.TypeA):
			out = append(out, &mdns.A{Hdr: header(owner, mdns.TypeA), A: addr.AsSlice()})
		case addr.Is6() && slices.Contains(kinds, mdns.TypeAAAA):
			out = append(out, &mdns.AAAA{Hdr: header(owner, mdns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
	return out
}

func alias(owner, to string) mdns.RR {
	return &mdns.CNAME{Hdr: header(owner, mdns.TypeCNAME), Target: to}
}
