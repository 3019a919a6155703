package endpoints_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/endpoints"
	"segno/reconcilers/internal/world"
)

func TestS2EndpointScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{endpoints.New()}
	})
}

// A slice takes a hundred endpoints; when pods go and come, the others stay in
// the slice where they are.
func TestS2SlicesAreFullAndStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.Create(t, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"},
			Spec: corev1.ServiceSpec{
				ClusterIP: "None", Selector: map[string]string{"app": "web"},
				Ports: []corev1.ServicePort{{Port: 80}},
			},
		})
		loop := w.Loop(t, endpoints.New())
		for i := range 250 {
			addPod(t, w, i)
		}
		w.CatchUp(t, loop)
		before := slicesByPod(t, w)
		expectSizes(t, w, 250, 3)

		w.Delete(t, reconcilers.Pods.Key("default", "p7"))
		addPod(t, w, 250)
		w.CatchUp(t, loop)
		after := slicesByPod(t, w)
		expectSizes(t, w, 250, 3)
		for pod, slice := range after {
			if was := before[pod]; was != "" && was != slice {
				t.Errorf("%s moved from %s to %s", pod, was, slice)
			}
		}
		if before["p7"] != after["p250"] {
			t.Errorf("p250 is in %s, want the place that p7 left in %s", after["p250"], before["p7"])
		}

		for i := range 251 {
			if i != 7 {
				w.Delete(t, reconcilers.Pods.Key("default", fmt.Sprintf("p%d", i)))
			}
		}
		w.CatchUp(t, loop)
		expectSizes(t, w, 0, 1)
	})
}

func addPod(t *testing.T, w *world.World, i int) {
	t.Helper()
	name, ip := fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.%d.%d", i/200, i%200+1)
	w.Create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	})
	w.SetStatus(t, reconcilers.Pods.Key("default", name), func(obj events.Object) {
		pod := obj.(*corev1.Pod)
		pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	})
}

func listSlices(t *testing.T, w *world.World) []*discoveryv1.EndpointSlice {
	t.Helper()
	slices, err := events.ListAs[*discoveryv1.EndpointSlice](w.View(), events.Query{Resource: reconcilers.EndpointSlices})
	if err != nil {
		t.Fatal(err)
	}
	return slices
}

func slicesByPod(t *testing.T, w *world.World) map[string]string {
	t.Helper()
	in := map[string]string{}
	for _, s := range listSlices(t, w) {
		for _, e := range s.Endpoints {
			in[e.TargetRef.Name] = s.Name
		}
	}
	return in
}

func expectSizes(t *testing.T, w *world.World, endpoints, count int) {
	t.Helper()
	all := 0
	slices := listSlices(t, w)
	for _, s := range slices {
		all += len(s.Endpoints)
		if len(s.Endpoints) > 100 {
			t.Errorf("slice %s has %d endpoints", s.Name, len(s.Endpoints))
		}
	}
	if all != endpoints || len(slices) != count {
		t.Errorf("%d endpoints in %d slices, want %d in %d", all, len(slices), endpoints, count)
	}
}

// TestS2EachFamilyHasItsSlices: of a Service of two families, and only as long as
// it has two. Pods without an address of a family are not in its slices.
func TestS2EachFamilyHasItsSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "kube-system", Annotations: map[string]string{kinds.ServiceNetworkAnnotation: "fd00:9::/112,10.9.0.0/16"},
		}})
		policy := corev1.IPFamilyPolicyRequireDualStack
		w.Create(t, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"},
			Spec: corev1.ServiceSpec{
				IPFamilyPolicy: &policy, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}},
			},
		})
		loop := w.Loop(t, endpoints.New())
		for i := range 3 {
			addPod(t, w, i)
		}
		for i := range 2 {
			w.SetStatus(t, reconcilers.Pods.Key("default", fmt.Sprintf("p%d", i)), func(obj events.Object) {
				status := &obj.(*corev1.Pod).Status
				status.PodIPs = append(status.PodIPs, corev1.PodIP{IP: fmt.Sprintf("fd00:3::%d", i+1)})
			})
		}
		expect := func(want string) {
			t.Helper()
			w.CatchUp(t, loop)
			got := map[string][]string{}
			for _, s := range listSlices(t, w) {
				for _, e := range s.Endpoints {
					got[string(s.AddressType)] = append(got[string(s.AddressType)], e.Addresses...)
				}
			}
			if fmt.Sprint(got) != want {
				t.Errorf("slices have %v, want %s", got, want)
			}
		}
		expect("map[IPv4:[10.0.0.1 10.0.0.2 10.0.0.3] IPv6:[fd00:3::1 fd00:3::2]]")
		old, _, err := events.GetAs[*corev1.Endpoints](w.View(), reconcilers.Endpoints.Key("default", "web"))
		if err != nil || len(old.Subsets) != 1 || len(old.Subsets[0].Addresses) != 2 || old.Subsets[0].Addresses[0].IP != "fd00:3::1" {
			t.Errorf("Endpoints, of the first family: %v, %v", old, err)
		}
		single := corev1.IPFamilyPolicySingleStack
		w.Change(t, reconcilers.Services.Key("default", "web"), func(obj events.Object) { obj.(*corev1.Service).Spec.IPFamilyPolicy = &single })
		expect("map[IPv6:[fd00:3::1 fd00:3::2]]")
	})
}

// TestS2ServicesWithManyPorts: 300 are as good as one; of thousands, a slice has
// those that are served.
func TestS2ServicesWithManyPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		for name, n := range map[string]int{"wide": 300, "widest": 20000} {
			ports := make([]corev1.ServicePort, n)
			for i := range ports {
				ports[i] = corev1.ServicePort{Name: fmt.Sprintf("p%d", i), Port: int32(i + 1)}
			}
			w.Create(t, &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
				Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: ports},
			})
		}
		loop := w.Loop(t, endpoints.New())
		addPod(t, w, 1)
		w.CatchUp(t, loop)
		for _, s := range listSlices(t, w) {
			if want := map[string]int{"wide": 300, "widest": kinds.MostServedPorts}[s.Labels[discoveryv1.LabelServiceName]]; len(s.Ports) != want || len(s.Endpoints) != 1 {
				t.Errorf("%s has %d ports and %d endpoints, want %d ports", s.Name, len(s.Ports), len(s.Endpoints), want)
			}
		}
	})
}

// TestS2MirrorsAreBounded: of a subset with thousands of addresses a thousand are
// mirrored, ready ones first.
func TestS2MirrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.Create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "default"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
		var subset corev1.EndpointSubset
		for i := range 900 {
			subset.Addresses = append(subset.Addresses, corev1.EndpointAddress{IP: fmt.Sprintf("192.0.%d.%d", i/200, i%200+1)})
		}
		for i := range 400 {
			subset.NotReadyAddresses = append(subset.NotReadyAddresses, corev1.EndpointAddress{IP: fmt.Sprintf("198.51.%d.%d", i/200, i%200+1)})
		}
		subset.Ports = []corev1.EndpointPort{{Port: 80}}
		w.Create(t, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "default"}, Subsets: []corev1.EndpointSubset{subset}})
		w.CatchUp(t, w.Loop(t, endpoints.New()))
		ready := 0
		for _, s := range listSlices(t, w) {
			for _, e := range s.Endpoints {
				if *e.Conditions.Ready {
					ready++
				}
			}
		}
		expectSizes(t, w, 1000, 10)
		if ready != 900 {
			t.Errorf("%d ready ones", ready)
		}
	})
}
