package agents

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestS8PeersAreTheNodesThatCanBeReached(t *testing.T) {
	node := func(name string, cidrs []string, addresses ...string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: cidrs}}
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: name})
		for _, a := range addresses {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
		}
		return n
	}
	one := []string{"10.1.0.0/24"}
	old := node("only the older field", nil, "10.0.0.3")
	old.Spec.PodCIDR = one[0]
	for _, c := range []struct {
		node *corev1.Node
		want string
	}{
		{node("self", one, "10.0.0.1"), "[]"},
		{node("new", nil, "10.0.0.2"), "[]"},
		{node("nowhere", one), "[]"},
		{node("nonsense", []string{"x"}, "10.0.0.2"), "[]"},
		{node("b", one, "10.0.0.2"), "[{b 10.0.0.2 [10.1.0.0/24]}]"},
		{node("both", []string{"10.1.0.0/24", "fd00::/64"}, "nonsense", "fd01::2", "10.0.0.2"), "[{both 10.0.0.2 [10.1.0.0/24 fd00::/64]}]"},
		{node("six", one, "fd01::2"), "[{six fd01::2 [10.1.0.0/24]}]"},
		{old, "[{only the older field 10.0.0.3 [10.1.0.0/24]}]"},
	} {
		got := fmt.Sprint(peersOf([]*corev1.Node{c.node}, "self", netip.MustParseAddr("10.0.0.1")))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.node.Name, got, c.want)
		}
	}
}
