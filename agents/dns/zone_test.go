package dns

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	mdns "github.com/miekg/dns"
)

const shop = `kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7, "fd00:96::7"]
  ports: [{name: http, port: 80, protocol: TCP}, {name: quic, port: 443, protocol: UDP}, {port: 9, protocol: TCP}]
---
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.244.0.1], hostname: first}, {addresses: [10.244.0.2]}]
---
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{name: sql, port: 5432, protocol: TCP}]}
---
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
- {addresses: [10.244.0.5], hostname: db-0, conditions: {ready: true}}
- {addresses: [10.244.0.6], hostname: db-1, conditions: {ready: false}}
- {addresses: [10.244.0.7]}
---
kind: EndpointSlice
metadata: {name: db-2, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv6
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
- {addresses: ["fd00:244::5"], hostname: db-0}
---
kind: Service
metadata: {name: early, namespace: shop}
spec: {clusterIP: None, publishNotReadyAddresses: true}
---
kind: EndpointSlice
metadata: {name: early-1, namespace: shop, labels: {kubernetes.io/service-name: early}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.8], conditions: {ready: false}}]
---
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {clusterIP: None, ports: [{name: http, port: 80, protocol: TCP}]}
---
kind: Service
metadata: {name: pending, namespace: shop}
spec: {ports: [{port: 80}]}
---
kind: Service
metadata: {name: outside, namespace: shop}
spec: {type: ExternalName, externalName: Example.COM}
---
kind: Service
metadata: {name: other, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
kind: Service
metadata: {name: twice, namespace: shop}
spec: {type: ExternalName, externalName: other.shop.svc.cluster.local}
---
kind: Service
metadata: {name: lost, namespace: shop}
spec: {type: ExternalName, externalName: none.shop.svc.cluster.local}
---
kind: Service
metadata: {name: circle, namespace: shop}
spec: {type: ExternalName, externalName: circle.shop.svc.cluster.local}
---
kind: Service
metadata: {name: broken, namespace: shop}
spec: {clusterIP: nonsense, clusterIPs: ["fe80::1%eth0", ""], ports: [{name: "a.b", port: 80}, {name: low, port: -1}]}
---
kind: Service
metadata: {name: nowhere, namespace: shop}
spec: {type: ExternalName, externalName: "not a name"}
---
kind: Service
metadata: {name: A.b, namespace: shop}
spec: {clusterIP: 10.96.0.66}`

// The cases follow the sections of the specification of DNS-based service
// discovery, version 1.1.
func TestS7AnswersOfTheZone(t *testing.T) {
	z := zoneOf(known(t, shop))
	const none, nothing = "NXDOMAIN", "NOERROR"
	for _, test := range []struct{ name, kind, want string }{
		// 2.2 version
		{"dns-version.cluster.local.", "TXT", `NOERROR (dns-version.cluster.local TXT "1.1.0")`},
		{"dns-version.cluster.local.", "A", nothing},
		{"x.dns-version.cluster.local.", "TXT", none},
		// 2.3 a Service with cluster IPs
		{"web.shop.svc.cluster.local.", "A", "NOERROR (web.shop.svc.cluster.local A 10.96.0.7)"},
		{"web.shop.svc.cluster.local.", "AAAA", "NOERROR (web.shop.svc.cluster.local AAAA fd00:96::7)"},
		{"wEB.shOp.svC.clUsteR.lOcal.", "A", "NOERROR (wEB.shOp.svC.clUsteR.lOcal A 10.96.0.7)"},
		{"web.shop.svc.cluster.local.", "MX", nothing},
		{"web.shop.svc.cluster.local.", "SRV", nothing},
		{"first.web.shop.svc.cluster.local.", "A", "NOERROR (first.web.shop.svc.cluster.local A 10.244.0.1)"},
		{"10-244-0-2.web.shop.svc.cluster.local.", "A", none},
		{
			"_http._tcp.web.shop.svc.cluster.local.", "SRV", "NOERROR (_http._tcp.web.shop.svc.cluster.local SRV 0 100 80 web.shop.svc.cluster.local.) | " +
				"(web.shop.svc.cluster.local A 10.96.0.7) (web.shop.svc.cluster.local AAAA fd00:96::7)",
		},
		{
			"_Quic._UDP.web.shop.svc.cluster.local.", "SRV", "NOERROR (_Quic._UDP.web.shop.svc.cluster.local SRV 0 100 443 web.shop.svc.cluster.local.) | " +
				"(web.shop.svc.cluster.local A 10.96.0.7) (web.shop.svc.cluster.local AAAA fd00:96::7)",
		},
		{"_http._tcp.web.shop.svc.cluster.local.", "A", nothing},
		{"_http._udp.web.shop.svc.cluster.local.", "SRV", none},
		{"_ftp._tcp.web.shop.svc.cluster.local.", "SRV", none},
		{"http.tcp.web.shop.svc.cluster.local.", "SRV", none},
		{"_._tcp.web.shop.svc.cluster.local.", "SRV", none},
		{"_tcp.web.shop.svc.cluster.local.", "SRV", nothing},
		{"_sctp.web.shop.svc.cluster.local.", "SRV", none},
		{"x._http._tcp.web.shop.svc.cluster.local.", "SRV", none},
		{"pending.shop.svc.cluster.local.", "A", nothing},
		// 2.4 headless
		{"db.shop.svc.cluster.local.", "A", "NOERROR (db.shop.svc.cluster.local A 10.244.0.5) (db.shop.svc.cluster.local A 10.244.0.7)"},
		{"db.shop.svc.cluster.local.", "AAAA", "NOERROR (db.shop.svc.cluster.local AAAA fd00:244::5)"},
		{"db-0.db.shop.svc.cluster.local.", "A", "NOERROR (db-0.db.shop.svc.cluster.local A 10.244.0.5)"},
		{"db-0.db.shop.svc.cluster.local.", "AAAA", "NOERROR (db-0.db.shop.svc.cluster.local AAAA fd00:244::5)"},
		{"db-0.db.shop.svc.cluster.local.", "TXT", nothing},
		{"db-1.db.shop.svc.cluster.local.", "A", none},
		{"10-244-0-7.db.shop.svc.cluster.local.", "A", "NOERROR (10-244-0-7.db.shop.svc.cluster.local A 10.244.0.7)"},
		{
			"_sql._tcp.db.shop.svc.cluster.local.", "SRV", "NOERROR (_sql._tcp.db.shop.svc.cluster.local SRV 0 50 5432 db-0.db.shop.svc.cluster.local.) " +
				"(_sql._tcp.db.shop.svc.cluster.local SRV 0 50 5432 10-244-0-7.db.shop.svc.cluster.local.) | " +
				"(db-0.db.shop.svc.cluster.local A 10.244.0.5) (db-0.db.shop.svc.cluster.local AAAA fd00:244::5) (10-244-0-7.db.shop.svc.cluster.local A 10.244.0.7)",
		},
		{"early.shop.svc.cluster.local.", "A", "NOERROR (early.shop.svc.cluster.local A 10.244.0.8)"},
		{"nobody.shop.svc.cluster.local.", "A", none},
		{"_http._tcp.nobody.shop.svc.cluster.local.", "SRV", none},
		// 2.5 external names
		{"outside.shop.svc.cluster.local.", "A", "NOERROR (outside.shop.svc.cluster.local CNAME example.com.) -> example.com."},
		{"outside.shop.svc.cluster.local.", "CNAME", "NOERROR (outside.shop.svc.cluster.local CNAME example.com.)"},
		{"other.shop.svc.cluster.local.", "A", "NOERROR (other.shop.svc.cluster.local CNAME web.shop.svc.cluster.local.) (web.shop.svc.cluster.local A 10.96.0.7)"},
		{"twice.shop.svc.cluster.local.", "AAAA", "NOERROR (twice.shop.svc.cluster.local CNAME other.shop.svc.cluster.local.) " +
			"(other.shop.svc.cluster.local CNAME web.shop.svc.cluster.local.) (web.shop.svc.cluster.local AAAA fd00:96::7)"},
		{"lost.shop.svc.cluster.local.", "A", "NXDOMAIN (lost.shop.svc.cluster.local CNAME none.shop.svc.cluster.local.)"},
		{"circle.shop.svc.cluster.local.", "A", "SERVFAIL"},
		{"nowhere.shop.svc.cluster.local.", "A", nothing},
		{"_http._tcp.outside.shop.svc.cluster.local.", "SRV", none},
		// pods
		{"10-244-3-9.shop.pod.cluster.local.", "A", "NOERROR (10-244-3-9.shop.pod.cluster.local A 10.244.3.9)"},
		{"10-244-3-9.shop.pod.cluster.local.", "AAAA", nothing},
		{"fd00-244--5.shop.pod.cluster.local.", "AAAA", "NOERROR (fd00-244--5.shop.pod.cluster.local AAAA fd00:244::5)"},
		{"1-2-3-4-5-6-7-8.shop.pod.cluster.local.", "AAAA", "NOERROR (1-2-3-4-5-6-7-8.shop.pod.cluster.local AAAA 1:2:3:4:5:6:7:8)"},
		{"10-244-3-999.shop.pod.cluster.local.", "A", none},
		{"10-244-3.shop.pod.cluster.local.", "A", none},
		{"x.10-244-3-9.shop.pod.cluster.local.", "A", none},
		{"shop.pod.cluster.local.", "A", nothing},
		{"pod.cluster.local.", "A", nothing},
		// the zone itself, and names that only hold others
		{"cluster.local.", "A", nothing},
		{"Cluster.Local.", "NS", "NOERROR (Cluster.Local NS ns.dns.cluster.local.) | (ns.dns.cluster.local A 10.96.0.10)"},
		{"ns.dns.cluster.local.", "A", "NOERROR (ns.dns.cluster.local A 10.96.0.10)"},
		{"dns.cluster.local.", "A", nothing},
		{"x.dns.cluster.local.", "A", none},
		{"svc.cluster.local.", "A", nothing},
		{"shop.svc.cluster.local.", "A", nothing},
		{"nospace.svc.cluster.local.", "A", none},
		{"web.nospace.svc.cluster.local.", "A", none},
		{"none.shop.svc.cluster.local.", "A", none},
		{"example.com.shop.svc.cluster.local.", "A", none},
		{"*.shop.svc.cluster.local.", "A", none},
		{`a\.b.shop.svc.cluster.local.`, "A", none},
		{`\000.shop.svc.cluster.local.`, "A", none},
		{"a.b.shop.svc.cluster.local.", "A", none},
		{"x.cluster.local.", "A", none},
		// what is broken breaks nothing else
		{"broken.shop.svc.cluster.local.", "A", nothing},
		{"_low._tcp.broken.shop.svc.cluster.local.", "SRV", none},
	} {
		if got := ask(z, question(test.name, test.kind)); got != test.want {
			t.Errorf("%s %s:\n got %s\nwant %s", test.name, test.kind, got, test.want)
		}
	}
	for name, held := range map[string]bool{
		"cluster.local.": true, "a.cluster.local.": true, "acluster.local.": false, `a\.cluster.local.`: false, "local.": false, ".": false,
	} {
		if z.holds(name) != held {
			t.Errorf("%s: held %t", name, !held)
		}
	}
}

func ask(z *zone, q mdns.Question) string {
	a := z.lookup(q)
	out := show(a.code, a.answer, a.extra)
	if a.elsewhere != "" {
		out += " -> " + a.elsewhere
	}
	return out
}

func TestS7NamesOfAddresses(t *testing.T) {
	c := known(t, shop)
	z := zoneOf(c)
	for addr, want := range map[string]string{
		"10.96.0.7":   "web.shop.svc.cluster.local.",
		"fd00:96::7":  "web.shop.svc.cluster.local.",
		"10.244.0.5":  "db-0.db.shop.svc.cluster.local.",
		"fd00:244::5": "db-0.db.shop.svc.cluster.local.",
		"10.244.0.7":  "10-244-0-7.db.shop.svc.cluster.local.",
		"10.244.0.8":  "10-244-0-8.early.shop.svc.cluster.local.",
		"10.244.0.6":  "", // not ready
		"10.244.0.1":  "", // behind a cluster IP
		"10.96.0.66":  "", // of a Service that has no name
		"192.0.2.1":   "",
	} {
		name, err := mdns.ReverseAddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := reversed(strings.ToLower(name))
		if !ok || got != netip.MustParseAddr(addr) {
			t.Errorf("%s is read as %s, %t", name, got, ok)
		}
		a, found := z.reverse(question(name, "PTR"), got)
		if found != (want != "") || (found && (len(a.answer) != 1 || a.answer[0].(*mdns.PTR).Ptr != want)) {
			t.Errorf("%s: %s, want %s", addr, show(a.code, a.answer, nil), want)
		}
	}
	if a, found := z.reverse(question("7.0.96.10.in-addr.arpa.", "A"), netip.MustParseAddr("10.96.0.7")); !found || a.code != 0 || len(a.answer) != 0 {
		t.Errorf("an address of an address: %+v", a)
	}
	for _, name := range []string{"in-addr.arpa.", "10.in-addr.arpa.", "1.2.3.4.5.in-addr.arpa.", "x.2.3.4.in-addr.arpa.", "1.ip6.arpa.", strings.Repeat("x.", 32) + "ip6.arpa.", "example.com."} {
		if addr, ok := reversed(name); ok {
			t.Errorf("%s is read as %s", name, addr)
		}
	}
	// Names follow what a Service becomes.
	tell(t, c, "kind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.8}")
	z.index.update(c, []types.NamespacedName{{Namespace: "shop", Name: "web"}})
	if len(z.index.names(netip.MustParseAddr("10.96.0.7"))) != 0 || len(z.index.names(netip.MustParseAddr("10.96.0.8"))) != 1 {
		t.Error("the old address has a name, or the new one has none")
	}
	if err := c.Replace(nil); err != nil {
		t.Fatal(err)
	}
	var all []types.NamespacedName
	for name := range z.index.services {
		all = append(all, name)
	}
	z.index.update(c, all)
	if len(z.index.services)+len(z.index.back)+len(z.index.namespaces) != 0 {
		t.Errorf("left of nothing: %+v", z.index)
	}
}

func TestS7ZonesBelowArpa(t *testing.T) {
	for network, want := range map[string]string{
		"10.96.0.0/16": "96.10.in-addr.arpa.", "10.96.0.0/12": "10.in-addr.arpa.", "10.0.0.0/8": "10.in-addr.arpa.",
		"10.1.2.3/32": "3.2.1.10.in-addr.arpa.", "0.0.0.0/0": "in-addr.arpa.",
		"fd00:10::/32": "0.1.0.0.0.0.d.f.ip6.arpa.", "fd00::/15": "0.d.f.ip6.arpa.",
	} {
		if got := arpaOf(netip.MustParsePrefix(network)); got != want {
			t.Errorf("%s: %s, want %s", network, got, want)
		}
	}
}

func TestS7EndpointsAreShuffledAndNotTooMany(t *testing.T) {
	var text strings.Builder
	text.WriteString("kind: Service\nmetadata: {name: many, namespace: shop}\nspec: {clusterIP: None}\n---\n" +
		"kind: EndpointSlice\nmetadata: {name: many-1, namespace: shop, labels: {kubernetes.io/service-name: many}}\n" +
		"addressType: IPv4\nports: [{name: http, port: 80}]\nendpoints:\n")
	for i := range most + 10 {
		text.WriteString("- {addresses: [" + netip.AddrFrom4([4]byte{10, 244, byte(i >> 8), byte(i)}).String() + "]}\n")
	}
	z := zoneOf(known(t, text.String()))
	z.shuffle = func(n int, swap func(i, j int)) { swap(0, n-1) }
	a := z.lookup(question("many.shop.svc.cluster.local.", "A"))
	if len(a.answer) != most || a.answer[0].(*mdns.A).A.String() != "10.244.3.241" {
		t.Errorf("%d records, the first is %s", len(a.answer), a.answer[0])
	}
	if a := z.lookup(question("_http._tcp.many.shop.svc.cluster.local.", "SRV")); len(a.answer) != most || a.answer[0].(*mdns.SRV).Weight != 1 {
		t.Errorf("%d records, the first is %s", len(a.answer), a.answer[0])
	}
	same := strings.ReplaceAll(text.String(), "- {addresses", "- {hostname: one, addresses")
	for i := range 100 {
		same += "---\n" + strings.NewReplacer("many-1", "many-2"+strconv.Itoa(i), "port: 80", "port: "+strconv.Itoa(81+i)).Replace(same[strings.Index(same, "kind: EndpointSlice"):strings.Index(same, "endpoints:")]) +
			"endpoints: [{hostname: one, addresses: [10.244.0.0]}]\n"
	}
	if a := zoneOf(known(t, same)).lookup(question("_http._tcp.many.shop.svc.cluster.local.", "SRV")); len(a.answer) != 101 || len(a.extra) >= 2*most {
		t.Errorf("%d ports of one host: %d addresses", len(a.answer), len(a.extra))
	}
	if e := z.index.service(types.NamespacedName{Namespace: "shop", Name: "many"}); e.addrs[0] != netip.MustParseAddr("10.244.0.0") {
		t.Error("what is kept was shuffled")
	}
}
