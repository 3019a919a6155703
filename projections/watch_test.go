package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// naiveChanges are the changes of a log, made by events.Apply alone.
func naiveChanges(log []proto.Entry) (out []events.Change) {
	now := map[proto.ObjectKey]*events.Record{}
	for _, e := range log {
		env := e.Envelope
		for _, ev := range env.Events {
			before := now[ev.Key]
			after := events.Apply(before, &ev, env.Seq, env.At)
			if after == before {
				continue
			}
			now[ev.Key] = after
			if before != nil && before.Deleted {
				before = nil
			}
			out = append(out, events.Change{
				Seq: env.Seq, At: env.At, Actor: env.Actor, Correlation: env.Correlation,
				Event: ev, Before: before, After: after,
			})
		}
	}
	return out
}

func behind(changes []events.Change, seq proto.Seq, resources ...proto.Resource) (out []events.Change) {
	for _, c := range changes {
		if c.Seq > seq && (len(resources) == 0 || slices.Contains(resources, c.Event.Key.Resource)) {
			out = append(out, c)
		}
	}
	return out
}

// follow reads n changes.
func follow(ctx context.Context, p *Projection, after proto.Seq, n int, pause func(), resources ...proto.Resource) ([]events.Change, error) {
	var out []events.Change
	if n == 0 {
		return nil, nil
	}
	for c, err := range p.Watch(ctx, after, resources...) {
		if err != nil {
			return out, err
		}
		out = append(out, c)
		if pause != nil {
			pause()
		}
		if len(out) == n {
			return out, nil
		}
	}
	return out, errors.New("the watch ended without an error")
}

func TestWatchNeverMissesNorRepeats(t *testing.T) {
	for seed, feedBytes := range []int{1, 4 << 10, 32 << 10, 1 << 20, 1 << 20} {
		rng := rand.New(rand.NewPCG(uint64(seed), 5))
		log := randomLog(rng, 400)
		changes := naiveChanges(log)
		p := open(t, Config{FeedBytes: feedBytes, RecordBytes: pick(rng, 1, 1<<20)})
		var wait sync.WaitGroup
		whole := make(chan struct{}) // closed once everything is committed
		for i := range 24 {
			after := proto.Seq(rng.IntN(len(log)))
			var resources []proto.Resource
			if i%3 == 0 {
				resources = []proto.Resource{pods}
			}
			var pause func()
			if i%4 == 0 { // a slow consumer: the log moves on while it holds its first change
				pause = func() { <-whole }
			}
			want := behind(changes, after, resources...)
			wait.Go(func() {
				got, err := follow(t.Context(), p, after, len(want), pause, resources...)
				if err != nil {
					t.Errorf("seed %d, behind %s: %v", seed, after, err)
				}
				if diff := diffChanges(want, got); diff != "" {
					t.Errorf("seed %d, behind %s, resources %v: %s", seed, after, resources, diff)
				}
			})
			if i%6 == 5 { // the others join while commits run
				n := len(log) / 4
				commitInGroups(t, p, rng, log[i/6*n:(i/6+1)*n], nil)
			}
		}
		close(whole)
		wait.Wait()
	}
}

// diffChanges is cmp.Diff of the first change that differs: over all of them
// it would take longer than the rest of the test.
func diffChanges(want, got []events.Change) string {
	for i := range min(len(want), len(got)) {
		if !sameChange(&want[i], &got[i]) {
			return fmt.Sprintf("change %d: %s", i, cmp.Diff(want[i], got[i], cmpopts.EquateEmpty()))
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d changes, want %d", len(got), len(want))
	}
	return ""
}

func sameChange(a, b *events.Change) bool {
	x, y := *a, *b
	x.Before, x.After, y.Before, y.After, x.Event.Body, y.Event.Body = nil, nil, nil, nil, nil, nil
	return fmt.Sprint(x) == fmt.Sprint(y) && bytes.Equal(a.Event.Body, b.Event.Body) &&
		sameRecord(a.Before, b.Before) && sameRecord(a.After, b.After)
}

func sameRecord(a, b *events.Record) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Spec, x.Status, y.Spec, y.Status = nil, nil, nil, nil
	return fmt.Sprint(x) == fmt.Sprint(y) && bytes.Equal(a.Spec, b.Spec) && bytes.Equal(a.Status, b.Status)
}

func TestWatchBlocksUntilSomethingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, Config{})
		var s script
		sub, err := p.Subscribe(0, Filter{Resources: []proto.Resource{pods}})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan []events.Change, 1)
		go func() {
			changes, err := sub.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- changes
		}()
		synctest.Wait()
		commit(t, p, s.add(specified(configMap("a", "m", "u", "1"))))
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("a change of a ConfigMap reached a follower of pods")
		}
		if sub.Seen() != 1 {
			t.Errorf("seen is %s, want 1", sub.Seen())
		}
		web := pod("a", "p", "u", "", corev1.PodPending)
		commit(t, p, s.add(specified(web), observed(web)))
		synctest.Wait()
		if len(got) != 1 {
			t.Fatal("a pod's change did not reach its follower")
		}
		if changes := <-got; len(changes) != 2 || changes[0].Seq != 2 || sub.Seen() != 2 {
			t.Errorf("got %v, seen %s", changes, sub.Seen())
		}
		sub.Close()
		if _, err := sub.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next of a closed subscription: %v", err)
		}
	})
}

func TestWatchEndsWithContextAndProjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		ends := make(chan error, 2)
		for _, ctx := range []context.Context{ctx, t.Context()} {
			go func() {
				_, err := follow(ctx, p, 0, 1, nil)
				ends <- err
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := <-ends; !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ends; !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Who has gone must not have the whole log read for it.
func TestWatchThatNobodyWaitsForReadsNoFurther(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(7, 7)), 2000)
	p := open(t, Config{FeedBytes: 1})
	commit(t, p, log...)
	s, err := p.Subscribe(0, Filter{Resources: []proto.Resource{{Name: "quiet"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if s.Seen() >= p.Position().Seq {
		t.Errorf("it read on to %s", s.Seen())
	}
}

func TestWatchMergesObjectsWhenAsked(t *testing.T) {
	var s script
	web, old := pod("a", "web", "u1", "", corev1.PodPending), pod("a", "old", "u0", "", corev1.PodPending)
	short := configMap("a", "short", "u2", "1")
	s.add(specified(old))
	s.add(specified(web), ended(old), observed(web), specified(short), ended(short))
	for name, live := range map[string]bool{"from disk": false, "live": true} {
		t.Run(name, func(t *testing.T) {
			p := open(t, Config{})
			commit(t, p, s.log[0])
			if !live {
				commit(t, p, s.log[1])
			}
			sub, err := p.Subscribe(1, Filter{Objects: true})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			if live {
				commit(t, p, s.log[1])
			}
			changes, err := sub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, fmt.Sprint(c.Event.Key.Name, " ", c.Event.Kind, " ", c.Before != nil, " ", c.After.Deleted, " ", len(c.After.Status) > 0))
			}
			want := []string{"web Observed false false true", "old Ended true true false"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A follower is shown the object that was deleted; for everybody else it is gone.
func TestADeletedObjectIsNotSeenInItsMoment(t *testing.T) {
	var s script
	p := open(t, Config{})
	sub, err := p.Subscribe(0, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	was := configMap("a", "m", "u1", "1")
	commit(t, p, s.add(specified(was)))
	commit(t, p, s.add(ended(was)))
	for range 2 {
		changes, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if obj, err := p.Object(changes[0].After); err != nil || obj == nil {
			t.Fatalf("the follower is shown %v, %v", obj, err)
		}
	}
	now := p.View()
	commit(t, p, s.add(specified(configMap("a", "m", "u2", "2")))) // the row of now no longer tells
	if obj, err := now.Get(configMaps.Key("a", "m")); err != nil || obj != nil {
		t.Errorf("after the deletion there is %v, %v", obj, err)
	}
}

func TestFollowersShareChangesAndObjects(t *testing.T) {
	p := open(t, Config{})
	var s script
	first, err := p.Subscribe(0, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := p.Subscribe(0, Filter{Resources: []proto.Resource{pods}})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	commit(t, p, s.add(specified(pod("a", "p", "u", "", corev1.PodPending))))
	a, err := first.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if &a[0] != &b[0] {
		t.Error("two followers got different copies of a change")
	}
	x, err := p.Object(a[0].After)
	if err != nil {
		t.Fatal(err)
	}
	if y, err := p.Object(b[0].After); err != nil || x != y || x.GetResourceVersion() != "1" {
		t.Errorf("decoded twice: %v %v, %v", x, y, err)
	}
}

// A follower of a quiet kind must not be sent to disk by a busy one.
func TestFollowerOfAQuietKindStaysInMemory(t *testing.T) {
	p := open(t, Config{FeedBytes: 2 << 10})
	var s script
	sub, err := p.Subscribe(0, Filter{Resources: []proto.Resource{namespaces}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for i := range 100 {
		commit(t, p, s.add(specified(configMap("a", "m", "u", fmt.Sprint(i)))))
	}
	if _, wait, err := sub.step(); !wait || err != nil || sub.Seen() != 100 {
		t.Errorf("after a hundred changes of others: wait %t, %v, seen %s", wait, err, sub.Seen())
	}
	commit(t, p, s.add(specified(&corev1.Namespace{ObjectMeta: meta1("", "a", "u", nil)})))
	if p.feed.floor > 100 {
		t.Fatalf("the ring starts behind %s", p.feed.floor)
	}
	changes, err := sub.Next(t.Context())
	if err != nil || len(changes) != 1 || changes[0].Seq != 101 {
		t.Errorf("got %v, %v", changes, err)
	}
}
