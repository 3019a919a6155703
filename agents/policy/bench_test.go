package policy_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/agents/policy"
)

// podAt is the n-th pod of a cluster with a hundred applications.
func podAt(name types.NamespacedName, n int) *policy.Pod {
	return &policy.Pod{
		Name: name, UID: types.UID(fmt.Sprint(n)), Labels: map[string]string{"app": fmt.Sprint("app-", n%100)},
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 200, byte(n >> 8), byte(n)})},
		Ports:     []policy.Port{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}},
	}
}

// many is a node with 100 pods in a cluster of many, with many policies: each lets
// one application in to another, by a named port and a range, and a block.
func many(t testing.TB, pods, policies int) *policy.Planner {
	t.Helper()
	p := policy.NewPlanner()
	p.SetNamespace("shop", map[string]string{"team": "a"}, true)
	for i := range pods {
		pod := podAt(types.NamespacedName{Namespace: "shop", Name: fmt.Sprint("pod-", i)}, i)
		p.SetPod(pod.Name, pod)
		if i < 100 {
			p.SetLocal(pod.Addresses[0], pod)
		}
	}
	http, first, last := intstr.FromString("http"), intstr.FromInt32(8000), int32(8100)
	for i := range policies {
		name := types.NamespacedName{Namespace: "shop", Name: fmt.Sprint("policy-", i)}
		if err := p.SetPolicy(name, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("app-", i%100)}},
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{
					Ports: []networkingv1.NetworkPolicyPort{{Port: &http}, {Port: &first, EndPort: &last}},
					From: []networkingv1.NetworkPolicyPeer{
						{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)}},
						{
							NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}},
							PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("app-", (i+i/100)%100)}},
						},
					},
				}},
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// BenchmarkNetworkPolicyPod is one pod that comes with another address, in a
// cluster of 1,000 policies.
func BenchmarkNetworkPolicyPod(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint(size, "-pods"), func(b *testing.B) {
			p := many(b, size, 1000)
			name := types.NamespacedName{Namespace: "shop", Name: "changed"}
			for i := 0; b.Loop(); i++ {
				p.SetPod(name, podAt(name, 60_000+i%2))
				p.Take()
			}
		})
	}
}

// BenchmarkNetworkPolicyLocal is a pod of this node that comes and goes.
func BenchmarkNetworkPolicyLocal(b *testing.B) {
	p := many(b, 10_000, 1000)
	pod := podAt(types.NamespacedName{Namespace: "shop", Name: "late"}, 60_000)
	for b.Loop() {
		p.SetLocal(pod.Addresses[0], pod)
		p.SetLocal(pod.Addresses[0], nil)
		p.Take()
	}
}

// BenchmarkNetworkPolicyWhole is everything at once, as at an agent's start.
func BenchmarkNetworkPolicyWhole(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := many(b, 10_000, 1000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		many(b, 10_000, 1000)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
	runtime.KeepAlive(p)
}
