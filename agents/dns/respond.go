package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"
)

// respond answers one message.
func (s *Server) respond(ctx context.Context, query *mdns.Msg) *mdns.Msg {
	reply := new(mdns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	reply.CheckingDisabled = query.CheckingDisabled
	options := query.IsEdns0()
	if options != nil {
		reply.SetEdns0(udpSize, options.Do())
	}
	switch {
	case len(query.Question) != 1 || query.Opcode != mdns.OpcodeQuery:
		reply.Rcode = mdns.RcodeFormatError
	case options != nil && options.Version() != 0:
		reply.Rcode = mdns.RcodeBadVers
	case !answerable(query.Question[0]):
		reply.Rcode = mdns.RcodeRefused
	default:
		s.fill(ctx, reply, query)
	}
	return reply
}

// answerable leaves out questions for everything at once, which serve nobody
// but who sends them in another's name.
func answerable(q mdns.Question) bool {
	switch q.Qtype {
	case mdns.TypeANY, mdns.TypeAXFR, mdns.TypeIXFR, mdns.TypeMAILA, mdns.TypeMAILB:
		return false
	}
	_, ok := mdns.IsDomainName(q.Name)
	return ok && q.Qclass == mdns.ClassINET
}

// fill answers from the zone, or with what others answer.
func (s *Server) fill(ctx context.Context, reply, query *mdns.Msg) {
	q := query.Question[0]
	name := strings.ToLower(q.Name)
	stub := s.stubOf(name)
	if s.zone.holds(name) && mdns.CountLabel(stub.domain) <= mdns.CountLabel(s.zone.domain) {
		s.local(ctx, reply, query, s.zone.lookup(q), s.zone.domain)
		return
	}
	if addr, ok := reversed(name); ok && stub.domain == "" {
		if a, found := s.zone.reverse(q, addr); found {
			s.local(ctx, reply, query, a, name)
			return
		}
		if i := slices.IndexFunc(s.cfg.Networks, func(n netip.Prefix) bool { return n.Contains(addr) }); i >= 0 {
			s.local(ctx, reply, query, noName, arpaOf(s.cfg.Networks[i]))
			return
		}
	}
	if s.upstreams.returned(q) {
		reply.Rcode = mdns.RcodeRefused
		return
	}
	s.forward(ctx, reply, query, name)
}

// local writes an answer of the cluster's; owner is the zone that has it.
func (s *Server) local(ctx context.Context, reply, query *mdns.Msg, a answer, owner string) {
	reply.Authoritative = true
	reply.Rcode, reply.Answer = a.code, a.answer
	reply.Extra = append(a.extra, reply.Extra...)
	if a.elsewhere != "" {
		s.forward(ctx, reply, query, a.elsewhere)
		return
	}
	if a.code == mdns.RcodeNameError || len(a.answer) == 0 {
		reply.Ns = []mdns.RR{s.zone.authority(owner)}
	}
}

// forward adds what others answer about a name.
func (s *Server) forward(ctx context.Context, reply, query *mdns.Msg, name string) {
	k := key{name: strings.ToLower(name), kind: query.Question[0].Qtype, cd: query.CheckingDisabled}
	if options := query.IsEdns0(); options != nil {
		k.secure = options.Do()
	}
	servers := s.stubOf(k.name).servers
	if servers == nil {
		servers = s.upstreams.servers()
	}
	got, err := s.forwarder.ask(ctx, k, servers)
	if err != nil {
		s.cfg.Logger.Debug("a name was not found out", "name", name, "error", err)
		reply.Rcode, reply.Answer = mdns.RcodeServerFailure, nil
		return
	}
	spell(got, query.Question[0].Name)
	reply.Rcode, reply.Truncated = got.Rcode, got.Truncated
	reply.AuthenticatedData = got.AuthenticatedData
	reply.Answer = append(reply.Answer, got.Answer...)
	reply.Ns = got.Ns
	reply.Extra = append(withoutOptions(got.Extra), reply.Extra...)
}

// withoutOptions drops what concerns the two servers alone.
func withoutOptions(list []mdns.RR) []mdns.RR {
	return slices.DeleteFunc(list, func(rr mdns.RR) bool { return rr.Header().Rrtype == mdns.TypeOPT })
}

// stubOf is the smallest stub domain that a name is in, or none.
func (s *Server) stubOf(name string) stub {
	for _, stub := range s.stubs {
		if mdns.IsSubDomain(stub.domain, name) {
			return stub
		}
	}
	return stub{}
}

// packed writes a reply so that it fits. What does not even then is a failure,
// so that the client need not wait for its time to run out.
func packed(reply, query *mdns.Msg, udp bool) ([]byte, error) {
	size := mdns.MaxMsgSize
	if udp {
		size = mdns.MinMsgSize
		if options := query.IsEdns0(); options != nil {
			size = min(max(size, int(options.UDPSize())), udpSize)
		}
	}
	fit(reply, size)
	if !udp {
		reply.Truncated = false // there is no longer way
	}
	out, err := reply.Pack()
	if err == nil && len(out) <= size {
		return out, nil
	}
	failure := new(mdns.Msg).SetRcode(query, mdns.RcodeServerFailure)
	failure.Truncated = udp && err == nil
	return failure.Pack()
}

// fit shortens a reply: what is only of help goes before what was asked for.
func fit(reply *mdns.Msg, size int) {
	reply.Compress = true
	if reply.Len() <= size {
		return
	}
	reply.Extra = slices.DeleteFunc(reply.Extra, func(rr mdns.RR) bool { return rr.Header().Rrtype != mdns.TypeOPT })
	reply.Truncate(size)
	reply.Compress = true
}
