package projections

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

func TestReadsNowAndThen(t *testing.T) {
	p := open(t, Config{})
	var s script
	web := pod("default", "web", "u1", "n1", corev1.PodPending, "app", "web")
	running := pod("default", "web", "u1", "n1", corev1.PodRunning, "app", "web")
	s.add(marked())
	s.add(specified(web), observed(web))
	s.add(observed(running))
	s.add(ended(web))
	commit(t, p, s.log...)

	for seq, want := range []corev1.PodPhase{"", "", "Pending", "Running", ""} {
		v, err := p.At(proto.Seq(seq))
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := events.GetAs[*corev1.Pod](v, pods.Key("default", "web"))
		if err != nil {
			t.Fatal(err)
		}
		phase := corev1.PodPhase("")
		if got != nil {
			phase = got.Status.Phase
		}
		list, err := events.ListAs[*corev1.Pod](v, events.Query{Resource: pods})
		if err != nil {
			t.Fatal(err)
		}
		if phase != want || (len(list) == 1) != (want != "") {
			t.Errorf("as of %d: phase %q and %d pods, want %q", seq, phase, len(list), want)
		}
	}
	n := 0
	for c, err := range p.Watch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		t.Log(c.Seq, c.Event.Kind, c.Before != nil, c.After.Deleted)
		if n++; n == 4 {
			break
		}
	}
}
