package agents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/network"
	"segno/proto"
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

// router fails once, and notes of how many peers it was told when.
type router struct {
	began time.Time
	said  []string
}

func (r *router) SetPeers(_ context.Context, peers []network.Peer) error {
	r.said = append(r.said, fmt.Sprint(len(peers), " after ", time.Since(r.began)))
	if len(r.said) == 1 {
		return errors.New("the kernel is busy")
	}
	return nil
}

// TestS8TheNetworkIsToldOfPeersAtOnce, again soon when that failed, and now and
// then when nothing happens: somebody may have changed the kernel's routes.
func TestS8TheNetworkIsToldOfPeersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := make(chan struct{})
		c := &catalog.Catalog{}
		a := &Agent{cfg: Config{Node: "self", Logger: slog.New(slog.DiscardHandler)}, shared: &shared{catalog: c, known: known}}
		r := &router{began: time.Now()}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.route(ctx, r) }()
		time.Sleep(time.Second)
		close(known)
		time.Sleep(6 * time.Second)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: corev1.NodeSpec{PodCIDR: "10.1.0.0/24"}}
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.2"}}
		body, err := node.Marshal()
		if err == nil {
			err = c.Apply(&proto.WantPod{Key: catalog.Nodes.Key("", "b"), Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Second)
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if got, want := strings.Join(r.said, ", "), "0 after 1s, 0 after 6s, 1 after 7s, 1 after 1m7s"; got != want {
			t.Errorf("told of %s; want %s", got, want)
		}
	})
}

func TestS7ContainersAreToldWhereTheAPIIs(t *testing.T) {
	a := &Agent{cfg: Config{Catalog: &catalog.Catalog{}}}
	if got := a.apiVariables(); got != nil {
		t.Errorf("without a Service: %v", got)
	}
	for address, want := range map[string]string{"None": "[]", "10.96.0.1": "[KUBERNETES_SERVICE_HOST=10.96.0.1 KUBERNETES_SERVICE_PORT=443 KUBERNETES_SERVICE_PORT_HTTPS=443 " +
		"KUBERNETES_PORT=tcp://10.96.0.1:443 KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443 KUBERNETES_PORT_443_TCP_PROTO=tcp KUBERNETES_PORT_443_TCP_PORT=443 KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1]"} {
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Spec:       corev1.ServiceSpec{ClusterIP: address, Ports: []corev1.ServicePort{{Port: 443, Protocol: corev1.ProtocolTCP}}},
		}
		body, err := service.Marshal()
		if err == nil {
			err = a.cfg.Catalog.Apply(&proto.WantPod{Key: catalog.Services.Key("default", "kubernetes"), Body: body})
		}
		if got := fmt.Sprint(a.apiVariables()); err != nil || got != want {
			t.Errorf("at %s: %s, %v", address, got, err)
		}
	}
}
