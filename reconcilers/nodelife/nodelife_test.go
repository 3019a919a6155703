package nodelife_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/nodelife"
)

func TestN3NodeLifeScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		r, err := nodelife.New(nodelife.Config{Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return []reconcilers.Reconciler{r}
	})
}

func TestN3SinceIsRequired(t *testing.T) {
	if _, err := nodelife.New(nodelife.Config{}); err == nil {
		t.Error("no error without Since: every node would count as silent at start")
	}
}

// After a restart the leases are as old as the control plane was away: that is
// not the nodes' silence.
func TestN3AStaleLeaseIsNotHeldAgainstANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: reconcilers.NamespaceNodeLease}})
		w.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
		w.SetStatus(t, reconcilers.Nodes.Key("", "n1"), func(obj events.Object) {
			obj.(*corev1.Node).Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		})
		then := metav1.NowMicro()
		w.Create(t, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "n1", Namespace: reconcilers.NamespaceNodeLease}, Spec: coordinationv1.LeaseSpec{RenewTime: &then},
		})
		time.Sleep(time.Hour) // virtual
		r, err := nodelife.New(nodelife.Config{Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		for away, want := range map[time.Duration]int{0: 0, 39 * time.Second: 0, 40 * time.Second: 1} {
			decision, err := r.Reconcile(w.View(), reconcilers.Nodes.Key("", "n1"), time.Now().Add(away))
			if err != nil || len(decision.Commands) != want {
				t.Errorf("%s after the start: %d commands, %v, want %d", away, len(decision.Commands), err, want)
			}
		}
	})
}

// silentNode is a world with a node that was never heard, and as many pods on
// it that serve; each has so many bytes.
func silentNode(t *testing.T, pods, bytes int) (*world.World, *reconcilers.Loop) {
	t.Helper()
	w := world.New()
	w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	w.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	w.SetStatus(t, reconcilers.Nodes.Key("", "n1"), func(obj events.Object) {
		obj.(*corev1.Node).Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
	for i := range pods {
		name := fmt.Sprintf("web-%d", i)
		w.Create(t, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			Spec:       corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		})
		w.SetStatus(t, reconcilers.Pods.Key("default", name), func(obj events.Object) {
			pod := obj.(*corev1.Pod)
			pod.Status.Message = strings.Repeat("x", bytes)
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		})
	}
	r, err := nodelife.New(nodelife.Config{Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	loop := w.Loop(t, r)
	time.Sleep(41 * time.Second) // virtual
	return w, loop
}

func nodeIn(t *testing.T, w *world.World) *corev1.Node {
	t.Helper()
	node, ok, err := events.GetAs[*corev1.Node](w.View(), reconcilers.Nodes.Key("", "n1"))
	if err != nil || !ok {
		t.Fatal(err)
	}
	return node
}

// Somebody cordons the node while its silence is being written: that stays.
func TestN3SilenceOverwritesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, loop := silentNode(t, 3, 1)
		sent := 0
		w.Refuse = func(cmd events.Command) error {
			if cmd.Actor != "system:nodelife" {
				return nil
			}
			if sent++; sent == 1 {
				w.Change(t, reconcilers.Nodes.Key("", "n1"), func(obj events.Object) { obj.(*corev1.Node).Spec.Unschedulable = true })
			}
			return nil
		}
		w.Committed = func(tx world.Transaction) {
			if tx.Cmd.Actor != "system:nodelife" || tx.Err != nil || tx.Stream != proto.StreamEvents {
				return
			}
			if batch, ok := tx.Cmd.Action.(events.Batch); sent < 2 || !ok || len(batch) != 5 {
				t.Errorf("part of what was decided before the cordon is done: %+v", tx.Cmd.Action)
			}
		}
		w.CatchUp(t, loop)
		node := nodeIn(t, w)
		if !node.Spec.Unschedulable {
			t.Error("the cordon is gone")
		}
		if node.Status.Conditions[0].Status != corev1.ConditionUnknown {
			t.Error("the silence was not written")
		}
	})
}

// More pods than fit into a transaction do not keep a node from being silent.
func TestN3SilenceOfANodeWithVeryManyPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, loop := silentNode(t, 6, 1<<20)
		refused := 0
		w.Committed = func(tx world.Transaction) {
			if tx.Err != nil {
				refused++
			}
		}
		w.CatchUp(t, loop)
		if nodeIn(t, w).Status.Conditions[0].Status != corev1.ConditionUnknown || refused > 0 {
			t.Errorf("the silence was not written; %d commands were refused", refused)
		}
		pods, err := events.ListAs[*corev1.Pod](w.View(), events.Query{Resource: reconcilers.Pods})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods {
			if pod.Status.Conditions[0].Status != corev1.ConditionFalse {
				t.Errorf("%s still serves", pod.Name)
			}
		}
	})
}

// A pod that cannot be written keeps neither its node from being silent nor the
// other pods from being not ready.
func TestN3OnePodThatIsRefusedHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, loop := silentNode(t, 3, 1)
		bad := reconcilers.Pods.Key("default", "web-1")
		w.Refuse = func(cmd events.Command) error {
			if cmd.Actor == "system:nodelife" && slices.Contains(reconcilers.Targets(cmd.Action), bad) {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web-1", errors.New("no rule"))
			}
			return nil
		}
		w.CatchUp(t, loop)
		if nodeIn(t, w).Status.Conditions[0].Status != corev1.ConditionUnknown {
			t.Error("the silence was not written")
		}
		for name, want := range map[string]corev1.ConditionStatus{"web-0": "False", "web-1": "True", "web-2": "False"} {
			pod, _, err := events.GetAs[*corev1.Pod](w.View(), reconcilers.Pods.Key("default", name))
			if err != nil || pod.Status.Conditions[0].Status != want {
				t.Errorf("%s is ready: %s, %v", name, pod.Status.Conditions[0].Status, err)
			}
		}
		notes, err := events.ListAs[*corev1.Event](w.View(), events.Query{Resource: reconcilers.Events})
		if err != nil || !slices.ContainsFunc(notes, func(n *corev1.Event) bool { return n.Reason == "Refused" && strings.Contains(n.Message, "no rule") }) {
			t.Errorf("nobody is told: %v", err)
		}
	})
}
