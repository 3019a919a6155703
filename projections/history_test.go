package projections

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

func TestE5HistoryTellsEveryRevision(t *testing.T) {
	var s script
	first := pod("a", "web", "u1", "n1", corev1.PodPending)
	second := pod("a", "web", "u2", "n2", corev1.PodPending)
	s.add(specified(configMap("a", "web", "u0", "x")))
	s.add(specified(first), observed(first))
	s.add(observed(pod("a", "web", "u1", "n1", corev1.PodRunning)))
	s.because(3, ended(first), specified(configMap("a", "web", "u0", "y")))
	s.add(observed(first)) // late: no revision
	s.because(4, specified(second))
	p := open(t, Config{})
	commit(t, p, s.log...)

	revisions, err := p.History(pods.Key("a", "web"), Newest, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range revisions {
		obj, err := table.Decode(r.Record)
		if err != nil {
			t.Fatal(err)
		}
		pod := obj.(*corev1.Pod)
		line := fmt.Sprintf("%s %s cause %s: %s %s deleted %t", r.Record.Seq, r.Envelope.Actor, r.Envelope.Cause.Seq, pod.Spec.NodeName, pod.Status.Phase, r.Record.Deleted)
		for _, ev := range r.Events {
			line += " " + ev.Kind
		}
		got = append(got, line)
	}
	want := []string{
		"6 user:test cause 4: n2  deleted false Specified",
		"4 user:test cause 3: n1 Running deleted true Ended",
		"3 user:test cause 0: n1 Running deleted false Observed",
		"2 user:test cause 0: n1 Pending deleted false Specified Observed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if newest, err := p.History(pods.Key("a", "web"), Newest, 2); err != nil || len(newest) != 2 || newest[1].Record.Seq != 4 {
		t.Errorf("the newest two: %v, %v", newest, err)
	}
	if then, err := p.History(pods.Key("a", "web"), 5, 1); err != nil || len(then) != 1 || then[0].Record.Seq != 4 {
		t.Errorf("the newest one up to 5: %v, %v", then, err)
	}
	if before, err := p.History(pods.Key("a", "web"), 0, 0); err != nil || len(before) != 0 {
		t.Errorf("up to nothing: %v, %v", before, err)
	}
	if none, err := p.History(pods.Key("a", "other"), Newest, 0); err != nil || len(none) != 0 {
		t.Errorf("of an object that never was: %v, %v", none, err)
	}
}

func TestE8EffectsAreWhatATransactionCaused(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	log := randomLog(rng, 300)
	p := open(t, Config{})
	commit(t, p, log...)
	want := map[proto.Seq][]proto.Seq{}
	for _, e := range log {
		want[e.Envelope.Cause.Seq] = append(want[e.Envelope.Cause.Seq], e.Envelope.Seq)
	}
	for _, e := range log {
		seq := e.Envelope.Seq
		if got, err := p.Effects(seq); err != nil || !slices.Equal(got, want[seq]) {
			t.Errorf("effects of %s are %v, %v, want %v", seq, got, err, want[seq])
		}
	}
}

func TestE6ATimeIsASequence(t *testing.T) {
	var s script
	for i := range 400 {
		s.add(marked())
		if i%5 != 0 {
			s.at = s.at.Add(-time.Second) // several at the same time
		}
		if i == 200 {
			s.at = s.at.Add(time.Hour)
		}
	}
	p := open(t, Config{})
	commit(t, p, s.log...)
	for _, e := range s.log {
		for _, shift := range []time.Duration{-time.Nanosecond, 0, time.Nanosecond, time.Minute} {
			at := e.Envelope.At.Add(shift)
			var want proto.Seq
			for _, e := range s.log {
				if !e.Envelope.At.After(at) {
					want = e.Envelope.Seq
				}
			}
			if got, err := p.SeqAt(at); err != nil || got != want {
				t.Fatalf("SeqAt(%s) is %s, %v, want %s", at, got, err, want)
			}
		}
		if at, err := p.TimeOf(e.Envelope.Seq); err != nil || !at.Equal(e.Envelope.At) {
			t.Fatalf("TimeOf(%s) is %s, %v", e.Envelope.Seq, at, err)
		}
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), birth} {
		if seq, err := p.SeqAt(at); err != nil || seq != 0 {
			t.Errorf("SeqAt(%s) is %s, %v, want 0", at, seq, err)
		}
	}
}

func TestE1EventsAreKeptAsTheyLieInTheLog(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 2)), 600)
	p := open(t, Config{})
	commit(t, p, log...)
	for _, e := range log {
		if got, err := p.Encoded(e.Envelope.Seq); err != nil || proto.HashOf(got) != e.Hash {
			t.Fatalf("transaction %s: %v, or other bytes", e.Envelope.Seq, err)
		}
	}
	at := proto.Seq(250)
	for env, err := range p.Events(t.Context(), at, 1_000_000) {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(log[at-1].Envelope, env); diff != "" {
			t.Fatal(diff)
		}
		at++
	}
	if at != 601 {
		t.Errorf("Events ended before %s", at)
	}
	for env, err := range p.Events(t.Context(), 1, 10) {
		if err != nil || env.Seq > 10 {
			t.Errorf("Events to 10 answers %s, %v", env.Seq, err)
		}
	}
	if hash, err := p.StateHashAt(0); err != nil || !hash.IsZero() {
		t.Errorf("state hash at 0: %s, %v", hash, err)
	}
	for _, seq := range []proto.Seq{0, 601} {
		_, err := p.Encoded(seq)
		if want := map[bool]error{true: ErrTooOld, false: ErrFuture}[seq == 0]; !errors.Is(err, want) {
			t.Errorf("Encoded(%s): %v", seq, err)
		}
	}
	if _, err := p.At(601); !errors.Is(err, ErrFuture) {
		t.Errorf("At(601): %v", err)
	}
}

// A page continues at the moment of the first one, whatever happens meanwhile.
func TestPagesAreOfOneMoment(t *testing.T) {
	p := open(t, Config{})
	var s script
	for i := range 20 {
		s.add(specified(configMap("a", fmt.Sprintf("m%02d", i), fmt.Sprint(i), "old")))
	}
	commit(t, p, s.log...)
	q := events.Query{Resource: configMaps, Limit: 5}
	v := p.View()
	var got []string
	for {
		page, err := v.List(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range page.Items {
			got = append(got, obj.GetName()+obj.(*corev1.ConfigMap).Data["v"])
		}
		if page.Next == nil {
			break
		}
		q.After = *page.Next
		n := len(got)
		commit(t, p,
			s.add(ended(configMap("a", fmt.Sprintf("m%02d", n), fmt.Sprint(n), ""))),
			s.add(specified(configMap("a", fmt.Sprintf("m%02d-new", n), "n", "new"))),
			s.add(specified(configMap("a", fmt.Sprintf("m%02d", n+1), fmt.Sprint(n+1), "new"))))
		if v, err = p.At(v.Seq()); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("m%02dold", i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQueriesUseAnIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		q := randomQuery(rng)
		l := &listing{query: &q, kind: table.Of(q.Resource)}
		prefix, ok := l.index()
		_, _, byLabel := equality(q.Labels)
		var fields string
		if q.Fields != nil {
			fields = q.Fields.String()
		}
		want := byLabel || q.Owner != "" || q.Node != "" || fields == "spec.nodeName=n2" || q.Resource == notes && fields != ""
		if ok != want {
			t.Errorf("%+v: index %q", q, prefix)
		}
	}
}
