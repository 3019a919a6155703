package dns

import (
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	mdns "github.com/miekg/dns"
)

const (
	// version of the specification that is followed.
	version = "1.1.0"
	// ttl of all that is answered about the cluster, in seconds.
	ttl = 5
	// most records of one answer; a client that gets so many takes the first.
	most = 1000
	// mostAliases is how many names of the cluster may lead to one another.
	mostAliases = 8
)

// zone is what is known of the cluster's names.
type zone struct {
	domain  string // lower case, with its final dot
	index   *index
	servers []netip.Addr // that answer for it
	shuffle func(n int, swap func(i, j int))
}

// answer is what a question comes to.
type answer struct {
	code   int
	answer []mdns.RR
	extra  []mdns.RR
	// elsewhere is a name that the answer leads to and somebody else knows.
	elsewhere string
}

var (
	noName = answer{code: mdns.RcodeNameError}
	noData = answer{}
)

// holds says whether a name is one of the cluster's. It is in lower case.
func (z *zone) holds(name string) bool { return mdns.IsSubDomain(z.domain, name) }

// lookup answers a question for a name that the zone holds.
func (z *zone) lookup(q mdns.Question) answer {
	name := strings.ToLower(q.Name)
	if strings.Contains(name, `\`) {
		return noName // no name of ours has such a byte
	}
	labels := strings.Split(strings.TrimSuffix(strings.TrimSuffix(name, z.domain), "."), ".")
	if labels[0] == "" {
		return z.apex(q)
	}
	last := len(labels) - 1
	switch rest := labels[:last]; labels[last] {
	case "svc":
		return z.services(q, rest)
	case "pod":
		return pods(q, rest)
	case "dns":
		return z.server(q, rest)
	case "dns-version":
		if len(rest) > 0 {
			return noName
		}
		return only(q, mdns.TypeTXT, &mdns.TXT{Hdr: header(q.Name, mdns.TypeTXT), Txt: []string{version}})
	default:
		return noName
	}
}

// apex is the zone itself.
func (z *zone) apex(q mdns.Question) answer {
	switch q.Qtype {
	case mdns.TypeSOA:
		return answer{answer: []mdns.RR{z.authority(q.Name)}}
	case mdns.TypeNS:
		ns := &mdns.NS{Hdr: header(q.Name, mdns.TypeNS), Ns: z.serverName()}
		return answer{answer: []mdns.RR{ns}, extra: addresses(z.serverName(), z.servers, mdns.TypeA, mdns.TypeAAAA)}
	default:
		return noData
	}
}

func (z *zone) serverName() string { return "ns.dns." + z.domain }

// server is the name by which this server is known.
func (z *zone) server(q mdns.Question, rest []string) answer {
	switch {
	case len(rest) == 0:
		return noData
	case len(rest) == 1 && rest[0] == "ns":
		return answer{answer: addresses(q.Name, z.servers, q.Qtype)}
	default:
		return noName
	}
}

// authority is the record that says for how long a missing name may be
// remembered as missing.
func (z *zone) authority(owner string) mdns.RR {
	return &mdns.SOA{
		Hdr: header(owner, mdns.TypeSOA), Ns: z.serverName(), Mbox: "hostmaster." + z.domain,
		Serial: z.index.version(), Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
	}
}

// pods are names made of addresses. Whether there is such a pod is not looked at.
func pods(q mdns.Question, rest []string) answer {
	switch len(rest) {
	case 0:
		return noData
	case 1:
		if isLabel(rest[0]) {
			return noData
		}
	case 2:
		if addr, ok := undashed(rest[0]); ok && isLabel(rest[1]) {
			return answer{answer: addresses(q.Name, []netip.Addr{addr}, q.Qtype)}
		}
	}
	return noName
}

// undashed reads an address of which the dots or colons are dashes.
func undashed(label string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", ".")); err == nil {
		return addr, true
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	return addr, err == nil
}

// services are all names below svc; rest are the labels before it.
func (z *zone) services(q mdns.Question, rest []string) answer {
	n := len(rest)
	if n == 0 || (n == 1 && z.index.hasNamespace(rest[0])) {
		return noData
	}
	if n == 1 {
		return noName
	}
	name := types.NamespacedName{Namespace: rest[n-1], Name: rest[n-2]}
	e := z.index.service(name)
	if e == nil || !e.exists() {
		return noName
	}
	switch n {
	case 2:
		return z.service(q, e)
	case 3:
		if addrs, ok := e.hosts[rest[0]]; ok {
			return answer{answer: addresses(q.Name, shuffled(z, addrs), q.Qtype)}
		}
		if e.speaks(rest[0]) {
			return noData // there are names below it
		}
	case 4:
		return z.port(q, name, e, rest[0], rest[1])
	}
	return noName
}

// speaks says whether there is a named port of the protocol, as "_tcp".
func (e *entry) speaks(label string) bool {
	for p := range e.ports {
		if "_"+p.protocol == label {
			return true
		}
	}
	return false
}

func (z *zone) service(q mdns.Question, e *entry) answer {
	switch {
	case e.external == "":
		return answer{answer: addresses(q.Name, shuffled(z, e.addrs), q.Qtype)}
	case q.Qtype == mdns.TypeCNAME:
		return answer{answer: []mdns.RR{alias(q.Name, e.external)}}
	default:
		return z.follow(q)
	}
}

// follow goes from alias to alias, to what the last name has or to the first
// that is not the cluster's.
func (z *zone) follow(q mdns.Question) answer {
	var chain []mdns.RR
	for range mostAliases {
		to := z.external(strings.ToLower(q.Name))
		if to == "" {
			end := z.lookup(q)
			end.answer = append(chain, end.answer...)
			return end
		}
		chain = append(chain, alias(q.Name, to))
		if !z.holds(to) {
			return answer{answer: chain, elsewhere: to}
		}
		q.Name = to
	}
	return answer{code: mdns.RcodeServerFailure} // they lead to one another
}

// external is the other name of an ExternalName Service, "" for all other names.
func (z *zone) external(name string) string {
	rest, found := strings.CutSuffix(name, ".svc."+z.domain)
	service, namespace, two := strings.Cut(rest, ".")
	if !found || !two {
		return ""
	}
	if e := z.index.service(types.NamespacedName{Namespace: namespace, Name: service}); e != nil {
		return e.external
	}
	return ""
}

// port answers _name._protocol.
func (z *zone) port(q mdns.Question, name types.NamespacedName, e *entry, first, second string) answer {
	portName, one := strings.CutPrefix(first, "_")
	protocol, two := strings.CutPrefix(second, "_")
	targets := e.ports[port{portName, protocol}]
	if !one || !two || len(targets) == 0 {
		return noName
	}
	if q.Qtype != mdns.TypeSRV {
		return noData
	}
	var a answer
	own := z.nameOf(name)
	for _, t := range shuffled(z, targets)[:min(len(targets), most)] {
		host, addrs := own, e.addrs
		if t.host != "" {
			host, addrs = t.host+"."+own, e.hosts[t.host]
		}
		a.answer = append(a.answer, &mdns.SRV{
			Hdr: header(q.Name, mdns.TypeSRV), Weight: uint16(max(1, 100/len(targets))), Port: t.number, Target: host,
		})
		if len(a.extra) < most { // many ports of one host have its many addresses each
			a.extra = append(a.extra, addresses(host, addrs, mdns.TypeA, mdns.TypeAAAA)...)
		}
	}
	return a
}

func (z *zone) nameOf(service types.NamespacedName) string {
	return service.Name + "." + service.Namespace + ".svc." + z.domain
}

// shuffled is a list in another order, so that the first is not everybody's first.
func shuffled[T any](z *zone, list []T) []T {
	if len(list) < 2 {
		return list
	}
	out := append([]T(nil), list...)
	z.shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
