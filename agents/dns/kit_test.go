package dns

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
	"segno/proto"
)

// known is a catalog of the Services and EndpointSlices in a YAML text.
func known(t testing.TB, text string) *catalog.Catalog {
	t.Helper()
	c := &catalog.Catalog{}
	for _, doc := range strings.Split(text, "\n---\n") {
		tell(t, c, doc)
	}
	return c
}

// tell applies one object, as a node is told of it.
func tell(t testing.TB, c *catalog.Catalog, doc string) {
	t.Helper()
	var kind metav1.PartialObjectMetadata
	if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
		t.Fatal(err)
	}
	var object interface{ Marshal() ([]byte, error) } = &corev1.Service{}
	resource := catalog.Services
	if kind.Kind == "EndpointSlice" {
		object, resource = &discoveryv1.EndpointSlice{}, catalog.Slices
	}
	if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	body, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(&proto.WantPod{Key: resource.Key(kind.Namespace, kind.Name), Body: body}); err != nil {
		t.Fatal(err)
	}
}

// zoneOf is the zone of a catalog, in which nothing is shuffled.
func zoneOf(c *catalog.Catalog) *zone {
	x := newIndex()
	x.update(c, c.Names())
	return &zone{
		domain: "cluster.local.", index: x, servers: []netip.Addr{netip.MustParseAddr("10.96.0.10")},
		shuffle: func(int, func(i, j int)) {},
	}
}

func question(name, kind string) mdns.Question {
	return mdns.Question{Name: name, Qtype: mdns.StringToType[kind], Qclass: mdns.ClassINET}
}

// show writes an answer in one line: the code, the records, and after a bar
// what was added to them.
func show(code int, records, extra []mdns.RR) string {
	out := mdns.RcodeToString[code]
	for _, rr := range records {
		out += " " + brief(rr)
	}
	if len(extra) > 0 {
		out += " |"
	}
	for _, rr := range extra {
		out += " " + brief(rr)
	}
	return out
}

// brief is a record without class and time to live.
func brief(rr mdns.RR) string {
	h := rr.Header()
	data := strings.TrimPrefix(rr.String(), h.String())
	return "(" + strings.TrimSuffix(h.Name, ".") + " " + mdns.TypeToString[h.Rrtype] + " " + data + ")"
}
