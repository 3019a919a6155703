package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/namespace"
)

const (
	space = metav1.NamespaceDefault
	image = "nginx:1.27"
)

var (
	table = kinds.Table()
	epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// world is a sandbox under test.
type world struct {
	t *testing.T
	*Sandbox
	ctx context.Context
}

// begin makes a cluster of so many nodes that has just begun.
func begin(t *testing.T, nodes int) *world {
	t.Helper()
	empty, err := projections.Open(projections.Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = empty.Close() }()
	w := open(t, Config{From: Source{Table: table, Folds: map[string]*projections.Projection{proto.StreamEvents: empty}, Time: epoch}})
	first, err := namespace.Bootstrap(w.View())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(w.ctx, events.Command{Actor: "system:bootstrap", Action: first}); err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		w.create(nodeObject(fmt.Sprintf("n%d", i+1), "4"))
	}
	w.advance(time.Second)
	return w
}

func open(t *testing.T, cfg Config) *world {
	t.Helper()
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &world{t: t, Sandbox: s, ctx: t.Context()}
}

// fork goes on from where the world is now.
func (w *world) fork(cfg Config) *world {
	w.t.Helper()
	cfg.From = Source{Table: table, Folds: w.folds, Seq: w.truth().Position().Seq, Time: w.Now()}
	return open(w.t, cfg)
}

func (w *world) advance(by time.Duration) {
	w.t.Helper()
	if err := w.Advance(w.ctx, by); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) do(action events.Action) events.Outcome {
	w.t.Helper()
	out, err := w.Submit(w.ctx, events.Command{
		Actor: "user:ada", Cause: proto.Cause{Request: "r"}, Via: "test", Manager: "test", Action: action,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) create(obj events.Object) {
	w.t.Helper()
	key := keyOf(obj)
	w.do(events.Create{Key: key, Object: obj, UID: reconcilers.UID("test", key)})
}

func keyOf(obj events.Object) proto.ObjectKey {
	resource := map[string]proto.Resource{
		"*v1.Node": reconcilers.Nodes, "*v1.Pod": reconcilers.Pods, "*v1.Deployment": {Group: "apps", Name: "deployments"},
	}[fmt.Sprintf("%T", obj)]
	return resource.Key(obj.GetNamespace(), obj.GetName())
}

func nodeObject(name, cpu string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{Capacity: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}},
	}
}

// web is a Deployment of that many, each with a request of CPU.
func web(replicas int32, image, cpu string) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: space, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "main", Image: image, Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
				}}},
			}},
		},
	}
}

func (w *world) pods() []*corev1.Pod {
	w.t.Helper()
	pods, err := events.ListAs[*corev1.Pod](w.View(), events.Query{Resource: reconcilers.Pods})
	if err != nil {
		w.t.Fatal(err)
	}
	return pods
}

// ready counts the pods that are, by node.
func (w *world) ready() (n int, on map[string]int) {
	w.t.Helper()
	on = map[string]int{}
	for _, p := range w.pods() {
		if slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		}) {
			n++
			on[p.Spec.NodeName]++
		}
	}
	return n, on
}

// story is everything that happened in the sandbox since it began, a line each.
func (w *world) story() string {
	w.t.Helper()
	var b strings.Builder
	for env, err := range w.truth().Events(w.ctx, w.point.Seq+1, projections.Newest) {
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range env.Events {
			fmt.Fprintf(&b, "%s %s %s %s (%s)\n", env.At.Sub(w.begun).Round(time.Millisecond), env.Actor, env.Events[i].Kind, env.Events[i].Key, env.Events[i].Reason)
		}
	}
	return b.String()
}
