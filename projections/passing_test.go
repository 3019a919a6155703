package projections

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// TestE10WhatPassesByIsTheHistory passes by objects of a few versions and by one of
// too many to be held at once, over many spans.
func TestE10WhatPassesByIsTheHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 10))
	var s script
	long := pod("a", "m", "long-0", "n1", corev1.PodPending)
	s.add(specified(pod("a", "a", "u", "n1", corev1.PodPending)), specified(long))
	for i := range 400 {
		switch i % 50 {
		case 20:
			s.add(ended(long))
			long.UID += "+"
			s.add(specified(long))
		case 7:
			long.Spec.NodeName = fmt.Sprint("n", i)
			s.add(specified(long), specified(pod("a", "z", "u", long.Spec.NodeName, corev1.PodPending)))
		}
		long.Status.Message = strings.Repeat(fmt.Sprint(rng.IntN(10)), 8<<10)
		s.add(observed(long))
	}
	p := open(t, Config{})
	commit(t, p, s.log...)
	last := p.Position().Seq
	for i := range 60 {
		after, upto := proto.Seq(rng.IntN(int(last))), last
		if i%3 > 0 {
			upto = after + proto.Seq(rng.IntN(int(last-after)+1))
		}
		passed := passedBy(t, p, after, upto)
		for _, name := range []string{"a", "m", "z"} {
			key := pods.Key("a", name)
			want := historyOf(t, p, key, after, upto)
			got := passed[name]
			if len(got) != len(want) {
				t.Fatalf("%s from %s to %s: %d versions, want %d", key, after, upto, len(got), len(want))
			}
			for i := range want {
				if g, w := got[i], want[i]; g.New != (i == 0) || g.Seq != w.Seq || g.Deleted != w.Deleted || g.SpecSeq != w.SpecSeq || g.StatusSeq != w.StatusSeq ||
					!w.Deleted && (!bytes.Equal(g.Spec, w.Spec) || !bytes.Equal(g.Status, w.Status)) {
					t.Fatalf("%s from %s to %s: version %d is another one: at %s, want %s", key, after, upto, i, g.Seq, w.Seq)
				}
			}
		}
	}
}

// passedBy are copies of what passes by, by the name of the object.
func passedBy(t *testing.T, p *Projection, after, upto proto.Seq) map[string][]events.Sighting {
	t.Helper()
	var mu sync.Mutex
	out := map[string][]events.Sighting{}
	err := p.PassBy(t.Context(), pods, "", after, upto, func() func(*events.Sighting) error {
		var is corev1.Pod
		return func(s *events.Sighting) error {
			if s.New {
				if err := is.Unmarshal(s.Spec); err != nil {
					return err
				}
			}
			kept := *s
			kept.Spec, kept.Status = bytes.Clone(s.Spec), bytes.Clone(s.Status)
			mu.Lock()
			defer mu.Unlock()
			out[is.Name] = append(out[is.Name], kept)
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// historyOf is the same of one object, out of its history.
func historyOf(t *testing.T, p *Projection, key proto.ObjectKey, after, upto proto.Seq) (out []*events.Record) {
	t.Helper()
	found, err := p.History(key, upto, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found { // newest first
		if r.Record.Seq <= after && r.Record.Deleted {
			break
		}
		out = append([]*events.Record{r.Record}, out...)
		if r.Record.Seq <= after {
			break
		}
	}
	return out
}
