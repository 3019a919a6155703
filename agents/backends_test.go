package agents

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/proto"
)

// linkedNetwork says how it leads to other nodes.
type linkedNetwork struct{ *network.Simulated }

func (linkedNetwork) Link() string { return "vxlan port 8472" }

// TestS8NodesThatAreLinkedInAnotherWayAreNamed: pods would not reach each other, and
// nothing would say why.
func TestS8NodesThatAreLinkedInAnotherWayAreNamed(t *testing.T) {
	node := func(name, link string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if link != "" {
			n.Annotations = map[string]string{proto.NodeLink: link}
		}
		return n
	}
	a, h := hearing(t, node("n1", ""))
	a.cfg.Network = linkedNetwork{network.NewSimulated()}
	if got := a.annotations()[proto.NodeLink]; got != "vxlan port 8472" {
		t.Errorf("it says %q of itself", got)
	}
	if err := a.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.node.Spec.PodCIDR = "10.1.0.0/24"
	if err := a.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		nodes []*corev1.Node
		want  string
	}{
		{[]*corev1.Node{node("n1", "host-gw"), node("old", ""), node("b", "vxlan port 8472")}, ""},
		{[]*corev1.Node{node("c", "vxlan port 4789"), node("b", "host-gw")}, `node b do not reach each other: it was started with "host-gw", this node with "vxlan port 8472" (and 1 more nodes differ); give all nodes the same --backend`},
		{[]*corev1.Node{node("c", "vxlan port 4789")}, `node c do not reach each other: it was started with "vxlan port 4789", this node with "vxlan port 8472"; give`},
		{[]*corev1.Node{node("c", strings.Repeat("x", 4000))}, `"` + strings.Repeat("x", mostTold) + `"`},
		{nil, ""},
	} {
		a.tellApart(step.nodes)
		a.report()
		flush(t, a)
		said := ""
		for _, c := range h.said[len(h.said)-1].Conditions {
			if c.Type == corev1.NodeNetworkUnavailable && c.Status == corev1.ConditionFalse {
				said = c.Message
			}
		}
		if said == "" || !strings.Contains(said, step.want) || step.want == "" && strings.Contains(said, "reach") || len(said) > 400 {
			t.Errorf("it says %q, want %q", said, step.want)
		}
	}
}
