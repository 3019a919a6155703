package agents

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/agents/runtime/simulated"
	"segno/proto"
)

// recalling is a control plane that knows a node and does not register it.
type recalling struct {
	Link
	node *corev1.Node
}

func (r recalling) Sync(context.Context) (proto.Want, error) {
	body, err := r.node.Marshal()
	return proto.Want{Full: true, Pods: []proto.WantPod{{Key: nodes.Key("", r.node.Name), Body: body}}}, err
}

// TestS7ANodeWithoutItsFolderKnowsItsPodsBeforeItRegisters: rules of Services are
// written as soon as its network is there, and must not take them for strangers.
func TestS7ANodeWithoutItsFolderKnowsItsPodsBeforeItRegisters(t *testing.T) {
	before := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{corev1.LabelTopologyZone: "z"}},
		Spec:       corev1.NodeSpec{PodCIDR: "10.244.7.0/24", PodCIDRs: []string{"10.244.7.0/24", "fd77:7::/64"}},
	}
	a, err := New(Config{
		Node: "n1", Link: recalling{node: before}, Runtime: simulated.New(simulated.Config{}), Network: network.NewSimulated(), Version: "v0-test",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.unlock()
	if err := a.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.cabled:
	default:
		t.Fatal("its network is not up")
	}
	if n := a.proxied(); fmt.Sprint(n.Pods) != "[10.244.7.0/24 fd77:7::/64]" || n.Zone != "z" {
		t.Errorf("it serves as %+v", n)
	}
}
