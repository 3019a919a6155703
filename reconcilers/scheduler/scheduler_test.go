package scheduler_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/scheduler"
)

func TestN4SchedulerScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{scheduler.New()}
	})
}

// One pass places a thousand pods on a hundred nodes, ten on each. The benchmark
// says how long it takes.
func TestN4OnePassPlacesAThousandPods(t *testing.T) {
	w := crowd(t, 100, 1000)
	decision, err := scheduler.New().Reconcile(w.View(), reconcilers.Pods.Key("", ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	perNode := map[string]int{}
	for _, cmd := range decision.Commands {
		batch, ok := cmd.Action.(events.Batch)
		if !ok {
			batch = events.Batch{cmd.Action}
		}
		for _, action := range batch {
			perNode[string(action.(events.Bind).Node)]++
		}
	}
	for node, n := range perNode {
		if n != 10 {
			t.Errorf("%s gets %d pods, want 10", node, n)
		}
	}
	if len(perNode) != 100 {
		t.Errorf("%d nodes get pods, want 100", len(perNode))
	}
}

func BenchmarkPass1000PodsOn100Nodes(b *testing.B) { benchmarkPass(b, 100, 1000) }

func BenchmarkPass5000PodsOn1000Nodes(b *testing.B) { benchmarkPass(b, 1000, 5000) }

func benchmarkPass(b *testing.B, nodes, pods int) {
	view := crowd(b, nodes, pods).View()
	r := scheduler.New()
	for b.Loop() {
		if _, err := r.Reconcile(view, reconcilers.Pods.Key("", ""), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// crowd is a world with nodes and with pods that wait, ten families of them.
func crowd(t testing.TB, nodes, pods int) *world.World {
	w := world.New()
	w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	for i := range nodes {
		addNode(t, w, fmt.Sprintf("n%03d", i), "4", "110")
	}
	var batch events.Batch
	for i := range pods {
		family := fmt.Sprintf("web-%d", i%10)
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%d", family, i), Namespace: "default",
				OwnerReferences: []metav1.OwnerReference{{
					APIVersion: "apps/v1", Kind: "ReplicaSet", Name: family, UID: types.UID(family), Controller: new(true),
				}},
			},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
			}}}},
		}
		batch = append(batch, events.Create{Key: reconcilers.Pods.Key("default", pod.Name), Object: pod, UID: types.UID(pod.Name)})
	}
	for part := range slices.Chunk(batch, 500) {
		w.Must(t, part)
	}
	return w
}

func addNode(t testing.TB, w *world.World, name, cpu, pods string) {
	t.Helper()
	w.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	w.SetStatus(t, reconcilers.Nodes.Key("", name), func(obj events.Object) {
		node := obj.(*corev1.Node)
		node.Status.Allocatable = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("8Gi"),
			corev1.ResourcePods: resource.MustParse(pods),
		}
		node.Status.Capacity = node.Status.Allocatable
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
}

// What cannot be bound, here because it was deleted while the pass was under
// way, holds nobody else up.
func TestN4OneRefusedBindingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowd(t, 2, 20)
		loop := w.Loop(t, scheduler.New())
		victim := reconcilers.Pods.Key("default", "web-3-13")
		deleted := false
		w.Refuse = func(cmd events.Command) error {
			if cmd.Actor == "system:scheduler" && !deleted {
				deleted = true
				w.Delete(t, victim)
			}
			return nil
		}
		w.CatchUp(t, loop)
		pods, err := events.ListAs[*corev1.Pod](w.View(), events.Query{Resource: reconcilers.Pods})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods {
			if pod.Spec.NodeName == "" {
				t.Errorf("%s is not bound", pod.Name)
			}
		}
		if len(pods) != 19 {
			t.Errorf("%d pods, want 19", len(pods))
		}
	})
}
