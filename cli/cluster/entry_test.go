package cluster

import (
	"net/netip"
	"path/filepath"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"segno/events"
	"segno/events/ingressrule"
	"segno/proto"
)

func TestS9IngressIsAsBefore(t *testing.T) {
	dir := t.TempDir()
	home := netip.MustParseAddr("127.0.0.1")
	for _, step := range []struct {
		what  string
		asked Entry
		on    string
		http  uint16
		at    int
	}{
		{"nothing", Entry{}, "", 80, 0},
		{"a port, and an address", Entry{HTTP: 8080, Addresses: []netip.Addr{home}}, "", 8080, 1},
		{"nothing more", Entry{}, "", 8080, 1},
		{"none", Entry{On: ptr.To(false)}, "false", 8080, 1},
		{"still none", Entry{}, "false", 8080, 1},
		{"again", Entry{On: ptr.To(true)}, "true", 8080, 1},
	} {
		got, err := recallEntry(dir, step.asked)
		if err != nil {
			t.Fatal(err)
		}
		on := map[bool]string{true: "true", false: "false"}[ptr.Deref(got.On, true)]
		if got.On == nil {
			on = ""
		}
		if is := got.options(); on != step.on || is.HTTP != step.http || is.HTTPS != 443 || len(is.Addresses) != step.at {
			t.Errorf("%s: %q, %+v", step.what, on, is)
		}
	}
	if _, err := recallEntry(dir, Entry{HTTP: 443}); err == nil {
		t.Error("one port for both is taken")
	}
	if got, err := recallEntry(dir, Entry{}); err != nil || got.HTTP != 8080 {
		t.Errorf("after a refusal: %+v, %v", got, err)
	}
}

// TestS9TheFirstNodeRunsIngress of a cluster on one machine, unless a person says no,
// then or later.
func TestS9TheFirstNodeRunsIngress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		dir := t.TempDir()
		c := &Cluster{logs: w.cluster.logs} // of which the node has containers
		start := func(name proto.NodeName, asked *bool) (label string, found bool) {
			t.Helper()
			c.nodes, c.cfg.Ingress = []*node{{name: name, dir: filepath.Join(dir, string(name))}}, Entry{On: asked, HTTP: 8080}
			if err := c.chooseEntry(w.ctx); err != nil {
				t.Fatal(err)
			}
			if c.entry.HTTP != 8080 {
				t.Errorf("%s serves at %+v", name, c.entry)
			}
			have, found, err := events.GetAs[*corev1.Node](c.View(), nodeResource.Key("", string(name)))
			if err != nil {
				t.Fatal(err)
			}
			if found {
				label = have.Labels[ingressrule.Label]
			}
			return label, found
		}
		relabel := func(name, value string) {
			t.Helper()
			have, _, err := events.GetAs[*corev1.Node](c.View(), nodeResource.Key("", name))
			if err != nil {
				t.Fatal(err)
			}
			have = events.Copy(have)
			have.Labels = map[string]string{ingressrule.Label: value}
			if value == "" {
				have.Labels = nil
			}
			if _, err := c.Submit(w.ctx, events.Command{Actor: "user:admin", Action: events.Update{Key: nodeResource.Key("", name), Object: have}}); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(what string, name proto.NodeName, asked *bool, want string, there bool) {
			t.Helper()
			if label, found := start(name, asked); label != want || found != there {
				t.Errorf("%s: label %q, there %t", what, label, found)
			}
		}
		expect("the first start", "n1", nil, "true", true)
		expect("the next", "n1", nil, "true", true)
		if _, err := w.cluster.enroll(c.View(), proto.JoinRequest{Name: "n1", Public: "UANOTHER"}); err == nil {
			t.Error("a machine that joins can become the node that runs ingress")
		}
		relabel("n1", "")
		expect("a start after a person took the label", "n1", nil, "", true)
		expect("one with --ingress", "n1", ptr.To(true), "true", true)
		expect("one with --ingress=false", "n1", ptr.To(false), "", true)
		relabel("n1", "true")
		expect("a start after a person gave the label", "n1", nil, "true", true)
		expect("a first start with --ingress=false", "n2", ptr.To(false), "", false)
		expect("the next, before the node has registered", "n2", nil, "", false)
		for _, n := range w.cluster.nodes {
			have, _, err := events.GetAs[*corev1.Node](c.View(), nodeResource.Key("", string(n.name)))
			if err != nil || ingressrule.Chosen(have) {
				t.Errorf("a simulated node has the label: %+v, %v", have.Labels, err)
			}
		}
	})
}
