package bus

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/report"
	"segno/proto"
)

// door is a world whose answers and views a test may change.
type door struct {
	*world
	refuse func(cmd events.Command) error // nil lets it pass
	views  []events.View                  // answered first, one after the other

	mu    sync.Mutex
	asked []events.Command
}

func (d *door) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	d.mu.Lock()
	d.asked = append(d.asked, cmd)
	d.mu.Unlock()
	if d.refuse != nil {
		if err := d.refuse(cmd); err != nil {
			return events.Outcome{}, err
		}
	}
	return d.world.Submit(ctx, cmd)
}

func (d *door) View() events.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.views) == 0 {
		return d.world.View()
	}
	view := d.views[0]
	d.views = d.views[1:]
	return view
}

// intake is one whose messages the test hands in itself.
func (d *door) intake(change func(cfg *IntakeConfig)) *Intake {
	d.t.Helper()
	cfg := IntakeConfig{Conn: d.control, Cluster: d}
	if change != nil {
		change(&cfg)
	}
	in, err := NewIntake(cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	return in
}

func reportOf(items ...proto.ReportItem) []byte { return proto.Pack(proto.Report{Items: items}) }

// empty is a view of nothing.
type empty struct{ events.View }

func (empty) Get(proto.ObjectKey) (events.Object, error) { return nil, nil }

func TestE8APodThatVanishesUnderItsReportEndsNobody(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	w.joinedNode("n1")
	pod := w.boundPod("web", "n1")
	d := &door{world: w, views: []events.View{w.View(), w.View(), empty{w.View()}}} // the first is for notes
	in := d.intake(func(cfg *IntakeConfig) {
		cfg.Notes = w.write
		cfg.History = func(proto.ObjectKey, int) ([]*proto.Envelope, error) { return nil, nil }
	})
	item := phaseOf(pod, corev1.PodRunning)
	item.Cause = w.fold.Position().Seq
	reply := in.report(t.Context(), "n1", reportOf(item))
	if reply.Retry != "" || reply.Errors[0] != "" || len(d.asked) != 1 || d.asked[0].Cause.Seq != item.Cause {
		t.Fatalf("answered %+v, asked %+v", reply, d.asked)
	}
}

func TestN2AnItemThatAlwaysFailsDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	w.joinedNode("n1")
	bad, good := phaseOf(w.boundPod("bad", "n1"), corev1.PodRunning), phaseOf(w.boundPod("good", "n1"), corev1.PodRunning)
	failure := errors.New("no rule for this")
	d := &door{world: w, refuse: func(cmd events.Command) error {
		if update, ok := cmd.Action.(events.Update); ok && update.Key.Name == "bad" {
			return failure
		}
		return nil
	}}
	in := d.intake(nil)
	for range 3 * itemPatience { // alone, it may be the moment
		if reply := in.report(t.Context(), "n1", reportOf(bad)); reply.Retry == "" {
			t.Fatal("an item that failed alone was refused for good")
		}
	}
	var reply proto.Reply
	for range itemPatience {
		if reply.Retry == "" && reply.Errors != nil {
			t.Fatal("an item was refused for good too early")
		}
		reply = in.report(t.Context(), "n1", reportOf(bad, good))
	}
	if reply.Retry != "" || !strings.Contains(reply.Errors[0], "no rule") || reply.Errors[1] != "" {
		t.Fatalf("after %d reports answered %+v", itemPatience, reply)
	}
	if reply = in.report(t.Context(), "n1", reportOf(bad, good)); reply.Retry == "" {
		t.Error("what failed once, later, was refused for good")
	}

	for _, passes := range []error{apierrors.NewServiceUnavailable("no leader"), context.DeadlineExceeded} {
		failure = passes
		for range 3 * itemPatience {
			if reply = in.report(t.Context(), "n1", reportOf(bad, good)); reply.Retry == "" {
				t.Fatalf("refused for good: %v", passes)
			}
		}
	}
}

func TestN2APanicAndWhatCannotBeReadAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	w.joinedNode("n1")
	pod := w.boundPod("web", "n1")
	d := &door{world: w, refuse: func(events.Command) error { panic("out of range") }}
	in := d.intake(nil)
	reply := in.report(t.Context(), "n1", reportOf(phaseOf(pod, corev1.PodRunning)))
	if reply.Retry != "" || !strings.Contains(reply.Errors[0], "out of range") || len(reply.Errors[0]) > longestAnswer {
		t.Errorf("a panic is answered %+v", reply)
	}
	d.refuse = func(events.Command) error { return events.ErrPanic } // as Decide answers it
	if reply = in.report(t.Context(), "n1", reportOf(phaseOf(pod, corev1.PodRunning))); reply.Retry != "" || reply.Errors[0] == "" {
		t.Errorf("a panic of a rule is answered %+v", reply)
	}
	if reply = in.report(t.Context(), "n1", []byte("no report")); reply.Retry != "" || len(reply.Errors) != 1 {
		t.Errorf("what is no report is answered %+v", reply)
	}

	d.refuse = nil
	large, crowded, rubbish := phaseOf(pod, corev1.PodRunning), phaseOf(pod, corev1.PodRunning), phaseOf(pod, corev1.PodRunning)
	large.Status = make([]byte, proto.MaxObject+1)
	status := corev1.Pod{Status: corev1.PodStatus{Conditions: make([]corev1.PodCondition, 60_000)}}
	var err error
	if crowded.Status, err = status.Marshal(); err != nil {
		t.Fatal(err)
	}
	rubbish.Status = []byte("rubbish")
	reply = in.report(t.Context(), "n1", reportOf(large, crowded, rubbish))
	for i, want := range []string{"at most", "messages that are allowed", "status of"} {
		if reply.Retry != "" || !strings.Contains(reply.Errors[i], want) {
			t.Errorf("item %d is answered %+v, want %q", i, reply, want)
		}
	}
	if phase := w.pod("web").Status.Phase; phase == corev1.PodRunning {
		t.Error("a status that was refused is there")
	}
}

func TestN5AReasonOfANodeIsOneWord(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	link := w.joinedNode("n1")
	pod := w.boundPod("web", "n1")
	for i, reason := range []string{"two words", strings.Repeat("A", 1<<20), "A\x1b[2J", "small"} {
		item := phaseOf(pod, []corev1.PodPhase{corev1.PodRunning, corev1.PodPending}[i%2])
		item.Reason = reason
		if reply, err := link.Report(t.Context(), proto.Report{Items: []proto.ReportItem{item}}); err != nil || reply.Errors[0] != "" {
			t.Fatalf("answered %+v, %v", reply, err)
		}
		env := envelope(t, w.fold, w.fold.Position().Seq)
		if env.Actor != "node:n1" || report.Reason(env.Events[0].Reason) == "" {
			t.Errorf("reason %.20q is in the log as %.20q", reason, env.Events[0].Reason)
		}
	}
}

func TestN1ANodeWithVeryManyPodsIsTakenInSeveralTransactions(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	w.joinedNode("n1")
	var pods []events.Action
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		pod := events.Copy(w.boundPod(name, "n1"))
		pod.Status.Message = strings.Repeat("x", 1<<20) // six of them are more than a transaction takes
		pods = append(pods, events.Update{Key: podResource.Key("default", name), Subresource: events.SubStatus, Object: pod})
	}
	d := &door{world: w}
	in := d.intake(func(cfg *IntakeConfig) {
		cfg.Settle = func(events.View, *corev1.Node, time.Time) ([]events.Action, error) { return pods, nil }
	})
	node := events.Copy(w.nodeObject("n1"))
	node.Status.Conditions[0].Status = corev1.ConditionFalse
	body, err := node.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	before := w.fold.Position().Seq
	reply := in.report(t.Context(), "n1", reportOf(proto.ReportItem{Key: nodeResource.Key("", "n1"), UID: string(node.UID), Status: body}))
	if reply.Retry != "" || reply.Errors[0] != "" {
		t.Fatalf("answered %.200v", reply)
	}
	if w.nodeObject("n1").Status.Conditions[0].Status != corev1.ConditionFalse {
		t.Error("the node's own word is not there")
	}
	for _, name := range []string{"a", "f"} {
		if len(w.pod(name).Status.Message) != 1<<20 {
			t.Errorf("pod %s is as it was", name)
		}
	}
	for seq := before + 2; seq <= w.fold.Position().Seq; seq++ {
		if env := envelope(t, w.fold, seq); env.Cause.Seq != before+1 {
			t.Errorf("transaction %s follows from %s, want %s", seq, env.Cause.Seq, before+1)
		}
	}
}

func TestN5ARegistrationIsBounded(t *testing.T) {
	w := newWorld(t, startServer(t, ServerConfig{}))
	in := (&door{world: w}).intake(nil)
	for what, node := range map[string]*corev1.Node{
		"a large node":   {ObjectMeta: metav1.ObjectMeta{Name: "n1", Annotations: map[string]string{"a": strings.Repeat("x", proto.MaxObject)}}},
		"a crowded node": {ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Status: corev1.NodeStatus{Conditions: make([]corev1.NodeCondition, 60_000)}},
	} {
		body, err := node.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if out := in.register(t.Context(), "n1", proto.Pack(proto.Register{Node: body})); !strings.Contains(out.Error, "allowed") {
			t.Errorf("%s is answered %.100q", what, out.Error)
		}
	}
}
