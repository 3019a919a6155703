package undo_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// rewind forgets everything after a sequence.
func (l *log) rewind(seq proto.Seq) {
	l.all = l.all[:seq]
	for key, of := range l.versions {
		l.versions[key] = slices.DeleteFunc(slices.Clone(of), func(r *events.Record) bool { return r.Seq > seq })
	}
}

// random does something to one of three objects, or to two of them at once.
func (l *log) random(rng *rand.Rand) {
	actor := []proto.Actor{ada, bob, ada, bob, "system:deployment"}[rng.IntN(5)]
	one := func() events.Action {
		name := []string{"app", "other"}[rng.IntN(2)]
		key := configMaps.Key("team", name)
		if rng.IntN(3) == 0 {
			key = dep
		}
		value := func() string { return fmt.Sprint(rng.IntN(3)) }
		exists := l.get(key) != nil
		switch {
		case !exists && key == dep:
			create := web(int32(rng.IntN(3)), "a:"+value())
			create.UID = l.uid()
			return create
		case !exists:
			create := config(name, "a", value(), "b", value())
			create.UID = l.uid()
			return create
		case rng.IntN(6) == 0:
			return remove(key)
		case actor.System():
			return patch(key, `{"metadata":{"annotations":{"kept.up/by":"`+value()+`"}}}`)
		case key == dep && rng.IntN(2) == 0:
			return patch(key, `{"spec":{"replicas":`+value()+`}}`)
		case key == dep:
			return patch(key, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"a:`+value()+`"}]}}}}`)
		case rng.IntN(3) == 0:
			return patch(key, `{"data":{"`+string("abc"[rng.IntN(3)])+`":null},"metadata":{"labels":{"l":"`+value()+`"}}}`)
		default:
			return patch(key, `{"data":{"a":"`+value()+`","`+string("bc"[rng.IntN(2)])+`":"`+value()+`"}}`)
		}
	}
	action := one()
	if rng.IntN(4) == 0 {
		action = events.Batch{action, one()}
	}
	_, _ = l.submit(events.Command{Actor: actor, Via: "segno do", Action: action}) // two that do not go together are refused
}

// leaves are the fields that random changes, as text; nil is no object.
func leaves(l *log, key proto.ObjectKey, seq proto.Seq) map[string]string {
	obj, err := view{l, seq}.Get(key)
	if err != nil {
		l.t.Fatal(err)
	}
	if obj == nil {
		return nil
	}
	obj = events.Copy(obj)
	obj.SetUID("")
	obj.SetCreationTimestamp(obj.GetCreationTimestamp().Rfc3339Copy())
	changes, err := fields.Diff(nil, obj)
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range changes {
		if c.Path != "metadata.creationTimestamp" && c.Path != "metadata.uid" {
			out[c.Path] = string(c.New)
		}
	}
	return out
}

// TestE12UndoOfRandomHistories undoes each transaction of a person in random
// histories, and looks at every field with rules of its own: what the transaction
// changed and nobody since is back; everything else is as it was; a redo brings
// all of it back.
func TestE12UndoOfRandomHistories(t *testing.T) {
	const histories, length = 60, 14
	undone, redone := 0, 0
	for seed := range uint64(histories) {
		l := newLog(t)
		rng := rand.New(rand.NewPCG(seed, 12))
		for range length {
			l.random(rng)
		}
		last := proto.Seq(len(l.all))
		for seq := proto.Seq(1); seq <= last; seq++ {
			if !l.all[seq-1].Actor.Person() {
				continue
			}
			plan, _ := l.undo(false, seq)
			undone++
			now := proto.Seq(len(l.all))
			for _, key := range []proto.ObjectKey{cm, configMaps.Key("team", "other"), dep} {
				want := expected(l, key, seq, last)
				if got := leaves(l, key, now); !maps.Equal(got, want) {
					t.Fatalf("seed %d: undo %s: %s is %v, want %v\n%s", seed, seq, key, got, want, describe(plan))
				}
				if touches(l.all[seq-1], key) {
					continue
				}
				was, _ := l.Version(key, last)
				if is, _ := l.Version(key, now); is != was {
					t.Fatalf("seed %d: undo %s touched %s", seed, seq, key)
				}
			}
			if now > last {
				l.undo(false, now)
				redone++
				for key := range l.versions {
					if got, want := leaves(l, key, proto.Seq(len(l.all))), leaves(l, key, last); !maps.Equal(got, want) {
						t.Fatalf("seed %d: after the redo of %s %s is %v, was %v", seed, seq, key, got, want)
					}
				}
			}
			l.rewind(last)
		}
	}
	t.Logf("%d undone, %d redone", undone, redone)
	if undone < 500 || redone < 200 {
		t.Errorf("only %d undone and %d redone: the histories are too tame", undone, redone)
	}
}

func touches(env *proto.Envelope, key proto.ObjectKey) bool {
	return slices.ContainsFunc(env.Events, func(ev proto.Event) bool { return ev.Key == key })
}

// expected is what the object has to be after the undo.
func expected(l *log, key proto.ObjectKey, seq, last proto.Seq) map[string]string {
	before, after, now := leaves(l, key, seq-1), leaves(l, key, seq), leaves(l, key, last)
	if !touches(l.all[seq-1], key) || before == nil && after == nil {
		return now
	}
	record, _ := l.Version(key, seq)
	is, _ := l.Version(key, last)
	switch {
	case before == nil: // made: goes, unless a person made something else of it
		if now == nil || is.UID != record.UID {
			return now
		}
		for path := range union(after, now) {
			if after[path] != now[path] && path != "metadata.annotations[kept.up/by]" {
				return now
			}
		}
		return nil
	case after == nil: // deleted: comes back, unless it is there again
		if now == nil {
			return before
		}
		return now
	case now == nil:
		return nil
	case is.UID != record.UID: // another object of the name
		return now
	}
	out := map[string]string{}
	for path := range union(union(before, after), now) {
		value := now[path]
		if before[path] != after[path] && now[path] == after[path] {
			value = before[path]
		}
		if value != "" {
			out[path] = value
		}
	}
	return out
}

func union[A, B any](a map[string]A, b map[string]B) map[string]bool {
	out := map[string]bool{}
	for key := range a {
		out[key] = true
	}
	for key := range b {
		out[key] = true
	}
	return out
}
