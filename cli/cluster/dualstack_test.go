package cluster

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/catalog"
	"segno/agents/proxy"
	"segno/cli/api/history/diffs"
)

// TestS2DualStackReachesTheProxies: from the networks that are asked for at the
// start to what a node would put into its kernel, by both families.
func TestS2DualStackReachesTheProxies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2, PodNetwork: "10.3.0.0/16,fd00:3::/48", ServiceNetwork: "10.9.0.0/20,fd00:9::/112"})
		w.create(web(2, oldImage))
		w.settled(2, oldImage)
		policy := corev1.IPFamilyPolicyRequireDualStack
		created, err := w.client.CoreV1().Services(space).Create(w.ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeNodePort, IPFamilyPolicy: &policy, Selector: web(2, oldImage).Spec.Selector.MatchLabels, Ports: []corev1.ServicePort{{Port: 80}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var behind []*discoveryv1.EndpointSlice
		w.follow("both families have two endpoints", func() bool {
			list, err := w.client.DiscoveryV1().EndpointSlices(space).List(w.ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"})
			if err != nil {
				t.Fatal(err)
			}
			count := map[discoveryv1.AddressType]int{}
			behind = nil
			for i := range list.Items {
				behind = append(behind, &list.Items[i])
				count[list.Items[i].AddressType] += len(list.Items[i].Endpoints)
			}
			return count[discoveryv1.AddressTypeIPv4] == 2 && count[discoveryv1.AddressTypeIPv6] == 2
		})
		rules, err := proxy.Plan(catalog.Service{Service: created, Slices: behind}, proxy.Node{
			Name: "sim-1", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, f := range rules.Frontends {
			for _, b := range f.Outside.Backends {
				if b.Address.Addr().Is6() == f.Dial.Address.Is6() {
					got[fmt.Sprintf("%s of IPv6 %t", f.Kind, f.Dial.Address.Is6())]++
				}
			}
		}
		if want := "map[cluster IP of IPv6 false:2 cluster IP of IPv6 true:2 node port of IPv6 false:2 node port of IPv6 true:2]"; fmt.Sprint(got) != want {
			t.Errorf("backends: %v, want %s", got, want)
		}
	})
}

// TestE11AForkKeepsBothAddresses: its pods have those that they had, nothing else
// changes, and new pods get one of each network.
func TestE11AForkKeepsBothAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2, PodNetwork: "10.3.0.0/16,fd00:3::/48", ServiceNetwork: "10.9.0.0/20,fd00:9::/112"})
		w.create(web(2, oldImage))
		w.settled(2, oldImage)
		policy := corev1.IPFamilyPolicyRequireDualStack
		_, err := w.client.CoreV1().Services(space).Create(w.ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec:       corev1.ServiceSpec{IPFamilyPolicy: &policy, Selector: web(2, oldImage).Spec.Selector.MatchLabels, Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		fork, _ := w.forkNow("twin")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, line := range lines[diffs.Line](w, "diff?fork=twin") {
			if line.Object != nil {
				t.Errorf("differs in the fork: %+v", *line.Object)
			}
		}
		fork.scale(4)
		fork.within(5*time.Minute, "four are ready in the fork", func() bool { return ready(fork.pods(), oldImage) == 4 })
		taken := map[string]bool{}
		for _, pod := range fork.pods() {
			for _, ip := range pod.Status.PodIPs {
				taken[ip.IP] = true
			}
			if len(pod.Status.PodIPs) != 2 {
				t.Errorf("%s has %v", pod.Name, pod.Status.PodIPs)
			}
		}
		if len(taken) != 8 {
			t.Errorf("four pods have %v", taken)
		}
	})
}
