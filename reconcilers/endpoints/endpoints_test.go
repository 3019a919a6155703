package endpoints_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
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
