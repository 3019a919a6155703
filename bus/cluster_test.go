package bus

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/events/report"
	"segno/proto"
)

// world is a control plane with the real table of kinds: server, two logs,
// intake and relay.
type world struct {
	parties
	t      testing.TB
	fold   *testFold
	leases *testFold
	events *Sequencer
	beats  *Sequencer
	relay  *Relay
	notes  chan []report.Note // that the intake let through
}

func newWorld(t testing.TB, server *Server) *world {
	t.Helper()
	w := &world{t: t, parties: parties{server: server}, fold: newTestFoldOf(kinds.Table()), leases: newTestFoldOf(kinds.Table()), notes: make(chan []report.Note, 100)}
	w.events = w.sequencer(proto.StreamEvents, w.fold)
	w.beats = w.sequencer(proto.StreamLeases, w.leases)
	var err error
	if w.control, err = server.Connect("control"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.control.Close)
	if w.relay, err = NewRelay(RelayConfig{Conn: w.control, Events: w.fold, Table: w.fold.table}); err != nil {
		t.Fatal(err)
	}
	intake, err := NewIntake(IntakeConfig{Conn: w.control, Cluster: w, Relay: w.relay, Identities: server.Identities(), Notes: w.write})
	if err != nil {
		t.Fatal(err)
	}
	w.while(w.relay.Run)
	w.while(intake.Run)
	for _, name := range []string{"default", LeaseNamespace} {
		w.must(events.Create{Key: proto.Resource{Name: "namespaces"}.Key("", name), Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, UID: types.UID("uid-" + name)})
	}
	return w
}

// while runs it until the test ends.
func (w *world) while(run func(context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	running(w.t, func() error { return run(ctx) })
	w.t.Cleanup(cancel)
}

func (w *world) sequencer(stream string, fold *testFold) *Sequencer {
	w.t.Helper()
	seq, err := NewSequencer(SequencerConfig{Server: w.server, Stream: stream, Fold: fold, Table: fold.table})
	if err != nil {
		w.t.Fatal(err)
	}
	w.while(seq.Run)
	return seq
}

func (w *world) write(_ context.Context, _ proto.NodeName, notes []report.Note) error {
	w.notes <- notes
	return nil
}

// Submit implements Cluster.
func (w *world) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	if update, ok := cmd.Action.(events.Update); ok && update.Key.Resource == leaseResource {
		return w.beats.Submit(ctx, cmd)
	}
	return w.events.Submit(ctx, cmd)
}

// View implements Cluster.
func (w *world) View() events.View { return w.fold.View() }

func (w *world) must(action events.Action) events.Outcome {
	w.t.Helper()
	out, err := w.events.Submit(context.Background(), events.Command{Actor: "user:admin", Correlation: "apply-1", Action: action})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// joinedNode connects and registers a node.
func (w *world) joinedNode(name string) *Link {
	w.t.Helper()
	link := NewLink(w.enter(w.t, RoleNode, name), proto.NodeName(name))
	w.eventually(func() error { _, err := link.Register(context.Background(), newNode(name)); return err })
	return link
}

// eventually waits for what happens as soon as intake and relay have begun.
func (w *world) eventually(happens func() error) {
	w.t.Helper()
	var err error
	for range 10_000 {
		if err = happens(); err == nil {
			return
		}
	}
	w.t.Fatalf("it did not happen, at last because of: %v", err)
}

func newNode(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
}

// boundPod makes a pod and binds it to the node, if there is one.
func (w *world) boundPod(name, node string) *corev1.Pod {
	w.t.Helper()
	key := podResource.Key("default", name)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1.7.9"}}},
	}
	made := w.must(events.Create{Key: key, Object: pod, UID: types.UID("uid-" + name)})
	if node == "" {
		return w.pod(name)
	}
	w.must(events.Bind{Key: key, UID: made.Object.GetUID(), Node: proto.NodeName(node)})
	return w.pod(name)
}

func (w *world) pod(name string) *corev1.Pod {
	w.t.Helper()
	pod, _, err := events.GetAs[*corev1.Pod](w.View(), podResource.Key("default", name))
	if err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func (w *world) nodeObject(name string) *corev1.Node {
	w.t.Helper()
	node, _, err := events.GetAs[*corev1.Node](w.View(), nodeResource.Key("", name))
	if err != nil {
		w.t.Fatal(err)
	}
	return node
}

// phaseOf is a report item that says that the pod is in the phase.
func phaseOf(pod *corev1.Pod, phase corev1.PodPhase) proto.ReportItem {
	told := &corev1.Pod{Status: *pod.Status.DeepCopy()}
	told.Status.Phase = phase
	body, err := told.Marshal()
	if err != nil {
		panic(err)
	}
	return proto.ReportItem{Key: podResource.Key(pod.Namespace, pod.Name), UID: string(pod.UID), Reason: "ContainerStarted", Status: body}
}
