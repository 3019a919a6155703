package sandbox

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/virtual"
	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

func (w *world) suppose(s api.Supposition) (history.WhatIf, error) {
	w.t.Helper()
	s.Seq, s.Time, s.Actor = w.truth().Position().Seq, w.Now(), "user:ada"
	return NewOracle(table, w.folds, slog.New(slog.DiscardHandler)).Suppose(w.ctx, s)
}

func (w *world) whatIf(s api.Supposition) history.WhatIf {
	w.t.Helper()
	before := w.truth().Position()
	answer, err := w.suppose(s)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.truth().Position() != before {
		w.t.Error("a what-if left something behind")
	}
	return answer
}

func supposed(t *testing.T, obj events.Object, kind string) api.Supposed {
	t.Helper()
	of := map[string]metav1.TypeMeta{"Pod": {Kind: "Pod", APIVersion: "v1"}, "Deployment": {Kind: "Deployment", APIVersion: "apps/v1"}}[kind]
	data, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	fields["apiVersion"], fields["kind"] = of.APIVersion, of.Kind
	delete(fields, "status")
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return api.Supposed{Kind: table.ForKind(of.GroupVersionKind()), Object: obj, Manifest: data}
}

// first is when a fact is first told of in an answer.
func first(answer history.WhatIf, fact, object string) (after time.Duration, found bool) {
	for _, step := range answer.Steps {
		for _, ev := range step.Events {
			if ev.Fact == fact && strings.HasPrefix(ev.Object.Name, object) {
				after, err := time.ParseDuration(step.After)
				return after, err == nil
			}
		}
	}
	return 0, false
}

func TestE11WhatIfAMachineDiesTellsWhenItsPodsRunElsewhere(t *testing.T) {
	w := begin(t, 3)
	w.create(web(6, image, "500m"))
	w.advance(time.Minute)
	answer := w.whatIf(api.Supposition{Gone: []proto.NodeName{"n2"}, For: 10 * time.Minute})
	silent, _ := first(answer, "NodeSilent", "n2")
	evicted, _ := first(answer, "PodDeletionRequested", "web-")
	ready, _ := first(answer, "PodReady", "web-")
	if silent < 35*time.Second || silent > 41*time.Second || (evicted-silent-5*time.Minute).Abs() > time.Second || ready <= evicted || ready > evicted+2*time.Second {
		t.Errorf("silent after %s, evicted after %s, ready after %s", silent, evicted, ready)
	}
	want := history.Ready{Ready: 6, Wanted: 6}
	if len(answer.Workloads) != 1 || *answer.Workloads[0].Before != want || *answer.Workloads[0].After != want {
		t.Errorf("workloads %+v", answer.Workloads)
	}
	for _, n := range answer.Nodes {
		switch {
		case n.Name == "n2" && (n.PodsBefore != 2 || n.PodsAfter != 0 || n.ReadyBefore != "True" || n.ReadyAfter != "Unknown"),
			n.Name != "n2" && (n.PodsAfter != 3 || n.ReadyAfter != "True"):
			t.Errorf("node %+v", n)
		}
	}

	_, err := w.suppose(api.Supposition{Gone: []proto.NodeName{"n9"}})
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "there was n1, n2, n3") {
		t.Errorf("a node that is not there: %v", err)
	}
}

// TestE11WithoutAnyNodeNobodyIsEvicted: the answer says so, and counts who would be.
func TestE11WithoutAnyNodeNobodyIsEvicted(t *testing.T) {
	w := begin(t, 2)
	w.create(web(4, image, "500m"))
	w.advance(time.Minute)
	all := []proto.NodeName{"n1", "n2"}
	answer := w.whatIf(api.Supposition{Gone: all, For: 20 * time.Minute})
	if _, evicted := first(answer, "PodDeletionRequested", "web-"); evicted || answer.Held != 4 {
		t.Errorf("evicted %t, %d held back", evicted, answer.Held)
	}
	for what, s := range map[string]api.Supposition{
		"one of two": {Gone: all[:1], For: 20 * time.Minute}, "too early": {Gone: all, For: 2 * time.Minute},
	} {
		if answer := w.whatIf(s); answer.Held != 0 {
			t.Errorf("%s: %d held back", what, answer.Held)
		}
	}
}

// TestE11TerminatingPodsAreCountedAside: they are still on their node.
func TestE11TerminatingPodsAreCountedAside(t *testing.T) {
	w := begin(t, 1)
	w.create(web(2, image, "500m"))
	w.advance(time.Minute)
	w.Silence("n1")
	pod := w.pods()[0]
	w.do(events.Delete{Key: keyOf(pod)})
	answer := w.whatIf(api.Supposition{For: time.Second})
	if n := answer.Nodes[0]; n.PodsBefore != 1 || n.TerminatingBefore != 1 {
		t.Errorf("node %+v", n)
	}
}

func TestE11WhatIfSaysWhyAPodWouldNotFit(t *testing.T) {
	w := begin(t, 2)
	w.create(web(2, image, "500m"))
	w.advance(time.Minute)
	huge := web(1, image, "32").Spec.Template
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "huge", Namespace: space}, Spec: huge.Spec}
	answer := w.whatIf(api.Supposition{Objects: []api.Supposed{supposed(t, pod, "Pod")}, For: time.Minute})
	if len(answer.Pending) != 1 || answer.Pending[0].Object.Name != "huge" || answer.Pending[0].Before ||
		answer.Pending[0].Why != "0/2 nodes are available: 2 Insufficient cpu." {
		t.Errorf("pending: %+v", answer.Pending)
	}
	if !slices.Contains(answer.Objects, history.Tally{Resource: "pods", Created: 1}) {
		t.Errorf("objects: %+v", answer.Objects)
	}
}

func TestE11WhatIfAppliesAsApplyDoes(t *testing.T) {
	w := begin(t, 3)
	old := web(4, image, "100m")
	old.Spec.Template.Spec.Containers[0].Args = []string{"--old"}
	made := supposed(t, old, "Deployment")
	if _, err := w.apply(w.ctx, made.Kind, made.Object, made.Manifest, events.Command{Actor: "user:ada", Manager: "test"}); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)

	fresh := web(4, "nginx:1.28", "100m") // without the arguments
	fork := w.fork(Config{})
	next := supposed(t, fresh, "Deployment")
	if _, err := fork.apply(w.ctx, next.Kind, next.Object, next.Manifest, events.Command{Actor: "user:ada", Manager: "test"}); err != nil {
		t.Fatal(err)
	}
	fork.advance(time.Minute)
	for _, p := range fork.pods() {
		if c := p.Spec.Containers[0]; c.Image != "nginx:1.28" || len(c.Args) > 0 {
			t.Errorf("pod %s runs %s %v", p.Name, c.Image, c.Args)
		}
	}
	if n, _ := fork.ready(); n != 4 {
		t.Errorf("%d are ready\n%s", n, fork.story())
	}

	// What cannot be is refused as a whole, with the words of the API.
	wrong := supposed(t, web(-1, image, "1"), "Deployment")
	_, err := w.suppose(api.Supposition{Objects: []api.Supposed{wrong}})
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonInvalid {
		t.Errorf("a negative count: %v", err)
	}
}

func TestE11WhatProgramsDidTheyDoAgain(t *testing.T) {
	// What a real cluster would have told: one image that is not there, and a
	// program that crashes after 3 s.
	w := begin(t, 0)
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "manifest for nginx:1.91 not found"}}
	w.nodes.fates = virtual.Learn([]*corev1.Pod{{
		Spec:   corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx:1.91"}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main", State: waits}}},
	}}, epoch)
	w.create(nodeObject("n1", "4"))
	w.create(nodeObject("n2", "4"))
	crash := web(1, "crasher:1", "100m")
	crash.Name, crash.Spec.Template.Annotations = "crash", map[string]string{"segno.simulated/run-for": "3s", "segno.simulated/exit-code": "7"}
	crash.Spec.Selector.MatchLabels = map[string]string{"app": "crash"}
	crash.Spec.Template.Labels = crash.Spec.Selector.MatchLabels
	w.create(crash)
	w.create(web(2, "nginx:1.91", "100m"))
	w.advance(10 * time.Minute)

	fork := w.fork(Config{})
	fork.advance(500 * time.Millisecond)
	if story := fork.story(); story != "" {
		t.Errorf("those that fail and wait are taken over as they are, and yet:\n%s", story)
	}
	// Without the annotation: it is the history that knows.
	again := web(1, "crasher:1", "100m")
	again.Name, again.Spec.Selector, again.Spec.Template.Labels = "again", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "again"}}, map[string]string{"app": "again"}
	fork.create(again)
	fork.advance(5 * time.Minute)
	seen := 0
	for _, p := range fork.pods() {
		is := p.Status.ContainerStatuses[0]
		switch {
		case strings.HasPrefix(p.Name, "again"):
			last := is.LastTerminationState.Terminated
			if last == nil || last.ExitCode != 7 || last.FinishedAt.Sub(last.StartedAt.Time).Round(time.Second) != 3*time.Second || is.RestartCount < 3 {
				t.Errorf("%s: %+v", p.Name, is)
			}
		case strings.HasPrefix(p.Name, "web"):
			if is.State.Waiting == nil || !strings.Contains(is.State.Waiting.Message, "manifest for nginx:1.91 not found") {
				t.Errorf("%s: %+v", p.Name, is.State)
			}
		default:
			continue
		}
		seen++
	}
	if seen != 3 {
		t.Errorf("%d pods seen", seen)
	}
}
