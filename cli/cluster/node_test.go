package cluster

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/network"
	"segno/agents/runtime/simulated"
)

// guest is a node whose agent comes and goes, beside the cluster's own nodes.
// Its engine runs on meanwhile.
type guest struct {
	w      *world
	node   *node
	engine *simulated.Engine
	leave  func() // ends the agent; nil while there is none
}

func (w *world) guest(behaves Simulate) *guest {
	engine := simulated.New(behaves)
	g := &guest{w: w, engine: engine, node: &node{name: "guest", runtime: engine, network: network.NewSimulated()}}
	g.come()
	w.within(time.Minute, "the guest is ready", func() bool { return g.ready() == corev1.ConditionTrue })
	return g
}

func (g *guest) come() {
	g.w.t.Helper()
	ctx, cancel := context.WithCancel(g.w.ctx)
	agent, err := g.w.cluster.connectNode(ctx, g.node)
	if err != nil {
		cancel()
		g.w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	g.leave = func() {
		cancel()
		if err := <-ended; err != nil {
			g.w.t.Errorf("the guest's agent ended with: %v", err)
		}
		g.leave = nil
	}
}

// object is the guest's Node, empty before it is registered.
func (g *guest) object() *corev1.Node {
	g.w.t.Helper()
	node, err := g.w.client.CoreV1().Nodes().Get(g.w.ctx, string(g.node.name), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		g.w.t.Fatal(err)
	}
	return node
}

func (g *guest) ready() corev1.ConditionStatus {
	for _, c := range g.object().Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return ""
}

func (g *guest) tainted(key string, effect corev1.TaintEffect) bool {
	return slices.ContainsFunc(g.object().Spec.Taints, func(t corev1.Taint) bool { return t.Key == key && t.Effect == effect })
}

// pods are those that are bound to the guest.
func (g *guest) pods() (bound []corev1.Pod) {
	for _, pod := range g.w.pods() {
		if pod.Spec.NodeName == string(g.node.name) {
			bound = append(bound, pod)
		}
	}
	return bound
}

func TestN3SilentNodeLosesItsPodsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		g := w.guest(Simulate{})
		w.create(web(6, oldImage))
		w.settled(6, oldImage)
		lost := g.pods()
		if len(lost) == 0 {
			t.Fatal("no pod runs on the guest")
		}

		g.leave()
		silent := time.Now()
		w.within(2*time.Minute, "the node is Unknown", func() bool { return g.ready() == corev1.ConditionUnknown })
		// Heartbeats come every 10 s: the last one may have been that long ago.
		if took := time.Since(silent); took < 30*time.Second || took > 45*time.Second {
			t.Errorf("the node was Unknown after %s, want 40 s after its last heartbeat", took)
		}
		for _, effect := range []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
			if !g.tainted(corev1.TaintNodeUnreachable, effect) {
				t.Errorf("the silent node has no taint %s:%s", corev1.TaintNodeUnreachable, effect)
			}
		}
		tainted := time.Now()
		if n := ready(g.pods(), ""); n != 0 {
			t.Errorf("%d pods on the silent node count as ready", n)
		}
		if slices.ContainsFunc(g.pods(), func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }) {
			t.Error("pods were evicted at once, want 300 s later")
		}
		w.within(10*time.Minute, "the pods are evicted", func() bool {
			return !slices.ContainsFunc(g.pods(), func(p corev1.Pod) bool { return p.DeletionTimestamp == nil })
		})
		if took := time.Since(tainted); took < 298*time.Second || took > 303*time.Second {
			t.Errorf("the pods were evicted after %s, want 300 s", took)
		}
		w.within(time.Minute, "six pods are ready elsewhere", func() bool { return ready(w.pods(), "") == 6 })
		if len(g.pods()) != len(lost) {
			t.Errorf("%d pods of the silent node are left, want all %d: nobody knows whether they run", len(g.pods()), len(lost))
		}

		g.come()
		w.within(time.Minute, "the node is back", func() bool {
			return g.ready() == corev1.ConditionTrue && !g.tainted(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute)
		})
		w.within(time.Minute, "its evicted pods are gone", func() bool { return len(g.pods()) == 0 })
		if runs, err := g.engine.List(w.ctx); err != nil || len(runs) != 0 {
			t.Errorf("its engine still runs %d pods, error %v", len(runs), err)
		}
		w.settled(6, oldImage)
	})
}

func TestN3ShortSilenceHarmsNoPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		g := w.guest(Simulate{})
		w.create(web(6, oldImage))
		w.settled(6, oldImage)
		before := w.pods()

		g.leave()
		w.within(2*time.Minute, "the node is Unknown", func() bool { return g.ready() == corev1.ConditionUnknown })
		time.Sleep(2 * time.Minute)
		g.come()
		w.within(time.Minute, "the node is back and its pods are ready", func() bool {
			return g.ready() == corev1.ConditionTrue && ready(w.pods(), "") == 6
		})
		time.Sleep(10 * time.Minute)
		after := w.pods()
		for i := range before {
			if len(after) != len(before) || after[i].UID != before[i].UID || restarts(after[i:i+1]) != 0 {
				t.Fatalf("the pods are not the same as before the silence:\n%s\n%s", names(before), names(after))
			}
		}
		if len(g.object().Spec.Taints) != 0 {
			t.Errorf("the node has kept taints: %v", g.object().Spec.Taints)
		}
	})
}

func TestN2NodeWhoseEngineIsDownIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		g := w.guest(Simulate{})
		w.create(web(6, oldImage))
		w.settled(6, oldImage)
		before := w.pods()
		g.engine.SetDown(true)
		w.within(time.Minute, "the node is not ready", func() bool {
			return g.ready() == corev1.ConditionFalse && g.tainted(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute)
		})
		g.engine.SetDown(false)
		w.within(2*time.Minute, "the node is ready", func() bool {
			return g.ready() == corev1.ConditionTrue && len(g.object().Spec.Taints) == 0
		})
		w.settled(6, oldImage)
		if after := w.pods(); names(after) != names(before) {
			t.Errorf("pods before:\n%s\nafter:\n%s", names(before), names(after))
		}
	})
}

func names(pods []corev1.Pod) (text string) {
	for i := range pods {
		text += pods[i].Name + " " + string(pods[i].UID) + " on " + pods[i].Spec.NodeName + "\n"
	}
	return text
}

func TestN1DeletedNodeOfThisProcessRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		nodes := w.client.CoreV1().Nodes()
		on := func(node string) (n int) {
			for _, pod := range w.pods() {
				if pod.Spec.NodeName == node {
					n++
				}
			}
			return n
		}
		w.create(web(4, oldImage))
		w.settled(4, oldImage)
		if on("sim-1") == 0 {
			t.Fatal("no pod runs on the node")
		}
		before, err := nodes.Get(w.ctx, "sim-1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := nodes.Delete(w.ctx, "sim-1", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(2*time.Minute, "all pods run elsewhere, and nowhere else", func() bool {
			return w.isSettled(4, oldImage) && on("sim-1") == 0 && w.containers() == 4
		})
		w.within(6*time.Minute, "the node is there again", func() bool {
			now, err := nodes.Get(w.ctx, "sim-1", metav1.GetOptions{})
			return err == nil && now.UID != before.UID && nodeReady(now) && len(now.Spec.Taints) == 0
		})
		w.patch(`{"spec":{"replicas":12}}`)
		w.settled(12, oldImage)
		if on("sim-1") == 0 {
			t.Error("no pod runs on the node that is there again")
		}
	})
}

// notes are what people read about an object, as describe asks for it.
func (w *world) notes(name string) map[string]corev1.Event {
	w.t.Helper()
	list, err := w.client.CoreV1().Events(space).List(w.ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]corev1.Event{}
	for _, event := range list.Items {
		if event.Source.Component == "kubelet" {
			out[event.Reason] = event
		}
	}
	return out
}

func TestP11NotesTellAPodsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		pods := w.client.CoreV1().Pods(space)
		crashing, err := pods.Create(w.ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "crash", Annotations: map[string]string{simulated.ExitCode: "1", simulated.RunFor: "1s"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "app:1"}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute) // a start and 7 restarts, most of them after a back-off
		before := w.notes("crash")
		time.Sleep(30 * time.Minute) // 6 more
		notes := w.notes("crash")
		for _, reason := range []string{"Pulled", "Created", "Started", "BackOff"} {
			n := notes[reason]
			if n.Count < 10 || n.Count > 15 || n.Count <= before[reason].Count || n.UID != before[reason].UID {
				t.Errorf("%s: ×%d became ×%d", reason, before[reason].Count, n.Count)
			}
			if n.InvolvedObject.UID != crashing.UID || n.InvolvedObject.FieldPath != "spec.containers{main}" || n.InvolvedObject.Kind != "Pod" {
				t.Errorf("%s is about %+v", reason, n.InvolvedObject)
			}
			if n.Source.Host != "sim-1" || n.ReportingController != "kubelet" || n.ReportingInstance != "sim-1" {
				t.Errorf("%s is from %+v, %s, %s", reason, n.Source, n.ReportingController, n.ReportingInstance)
			}
			if span := n.LastTimestamp.Sub(n.FirstTimestamp.Time); span < 30*time.Minute || n.FirstTimestamp.Before(&crashing.CreationTimestamp) {
				t.Errorf("%s happened from %s to %s", reason, n.FirstTimestamp, n.LastTimestamp)
			}
		}
		if len(notes) != 4 || notes["BackOff"].Type != corev1.EventTypeWarning || notes["Created"].Type != corev1.EventTypeNormal {
			t.Errorf("%d notes: %v", len(notes), notes)
		}
		if n := notes["BackOff"]; n.Message != "Back-off restarting failed container main in pod crash_default("+string(crashing.UID)+")" {
			t.Errorf("message: %s", n.Message)
		}
	})
}

func TestP11LastNotesOutliveThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		w.create(web(1, oldImage))
		w.settled(1, oldImage)
		name := w.pods()[0].Name
		if err := w.client.CoreV1().Pods(space).Delete(w.ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.notes(name)["Killing"]; n.Count != 1 || n.Message != "Stopping container main" {
			t.Errorf("%+v", n)
		}
		if n := w.notes("sim-1"); n["Starting"].Count != 1 || n["NodeReady"].Count != 1 {
			t.Errorf("about the node: %+v", n)
		}
	})
}
