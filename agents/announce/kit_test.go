package announce

import (
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/events/kinds"
	"segno/proto"
)

// node is one that can take traffic, on these networks; "" is those of the tests.
func node(name, networks string) *corev1.Node {
	yes := func(of corev1.NodeConditionType) corev1.NodeCondition {
		return corev1.NodeCondition{Type: of, Status: corev1.ConditionTrue}
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if networks == "" {
		networks = "192.0.2.0/24,2001:db8:1::/64"
	}
	n.Annotations = map[string]string{proto.NodeNetworks: networks, proto.NodeHardware: hardwareOf(name).String()}
	n.Status.Conditions = []corev1.NodeCondition{yes(corev1.NodeReady), yes(proto.NodeServiceProxy)}
	return n
}

// hardwareOf is where a machine of the tests is found.
func hardwareOf(name string) net.HardwareAddr {
	out := net.HardwareAddr{2, 0, 0, 0, 0, 0}
	copy(out[2:], name)
	return out
}

// service has addresses of the pool.
func service(name string, addresses ...string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	s.Spec.Type = corev1.ServiceTypeLoadBalancer
	s.Status.Conditions = []metav1.Condition{{Type: kinds.LoadBalancerCondition, Status: metav1.ConditionTrue}}
	for _, address := range addresses {
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: address})
	}
	return s
}

func slice(of, node string, family discoveryv1.AddressType, conditions discoveryv1.EndpointConditions) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: of + "-" + node, Labels: map[string]string{discoveryv1.LabelServiceName: of}},
		AddressType: family, Endpoints: []discoveryv1.Endpoint{{NodeName: &node, Conditions: conditions}},
	}
}

// tell puts objects into a catalog.
func tell(t testing.TB, c *catalog.Catalog, objects ...any) {
	t.Helper()
	for _, object := range objects {
		var p proto.WantPod
		var err error
		switch o := object.(type) {
		case *corev1.Node:
			p.Key = catalog.Nodes.Key("", o.Name)
			p.Body, err = o.Marshal()
		case *corev1.Service:
			p.Key = catalog.Services.Key(o.Namespace, o.Name)
			p.Body, err = o.Marshal()
		case *discoveryv1.EndpointSlice:
			p.Key = catalog.Slices.Key(o.Namespace, o.Name)
			p.Body, err = o.Marshal()
		default:
			t.Fatalf("a catalog has no %T", o)
		}
		if err == nil {
			err = c.Apply(&p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
