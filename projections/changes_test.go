package projections

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"segno/events"
	"segno/proto"
)

func everything(*proto.Envelope, *proto.Event) bool { return true }

// same tells whether a record is the thing; none is nil, or a tombstone.
func (t thing) same(rec *events.Record) bool {
	if rec == nil || rec.Deleted {
		return t.uid == ""
	}
	return rec.UID == t.uid && rec.Seq == t.seq && bytes.Equal(rec.Spec, t.spec) && bytes.Equal(rec.Status, t.status)
}

// changed lists the objects that some transaction behind from, up to and
// including to, changed.
func (w world) changed(from, to proto.Seq) map[proto.ObjectKey]bool {
	out, keys := map[proto.ObjectKey]bool{}, w.keys()
	for seq := from + 1; seq <= to; seq++ {
		for _, key := range keys {
			if w[seq-1][key].uid != w[seq][key].uid || w[seq][key].seq == seq {
				out[key] = true
			}
		}
	}
	return out
}

// TestE5ChangesAreWhatANaiveFoldSays: each transaction's, and those between any
// two.
func TestE5ChangesAreWhatANaiveFoldSays(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			log := randomLog(rng, 120)
			w := foldNaively(log)
			p := open(t, Config{})
			commit(t, p, log...)
			last := proto.Seq(len(log))
			at := map[proto.Seq]map[proto.ObjectKey]bool{}
			for step, err := range p.Changes(t.Context(), 1, Newest, everything) {
				if err != nil {
					t.Fatal(err)
				}
				seq, key := step.Envelope.Seq, step.Record.Key
				if at[seq] == nil {
					at[seq] = map[proto.ObjectKey]bool{}
				}
				if at[seq][key] {
					t.Fatalf("%s at %s comes twice", key, seq)
				}
				at[seq][key] = true
				if !w[seq][key].same(step.Record) || !w[seq-1][key].same(step.Before) {
					t.Fatalf("%s at %s: %+v after %+v, want %+v after %+v", key, seq, step.Record, step.Before, w[seq][key], w[seq-1][key])
				}
			}
			for seq := proto.Seq(1); seq <= last; seq++ {
				for key := range w.changed(seq-1, seq) {
					if !at[seq][key] {
						t.Errorf("%s changed at %s, which is not told", key, seq)
					}
				}
			}
			for range 40 {
				from := proto.Seq(rng.IntN(int(last) + 1))
				checkBetween(t, p, w, from, from+proto.Seq(rng.IntN(int(last-from)+1)))
			}
		})
	}
}

func checkBetween(t *testing.T, p *Projection, w world, from, to proto.Seq) {
	t.Helper()
	told := map[proto.ObjectKey]bool{}
	for d, err := range p.Between(t.Context(), from, to, everything) {
		if err != nil {
			t.Fatal(err)
		}
		if told[d.Key] {
			t.Fatalf("%s between %s and %s comes twice", d.Key, from, to)
		}
		told[d.Key] = true
		if !w[from][d.Key].same(d.Before) || !w[to][d.Key].same(d.After) {
			t.Fatalf("%s between %s and %s: %+v, %+v, want %+v, %+v", d.Key, from, to, d.Before, d.After, w[from][d.Key], w[to][d.Key])
		}
	}
	for key := range w.changed(from, to) {
		if !told[key] {
			t.Errorf("%s changed between %s and %s, which is not told", key, from, to)
		}
	}
}

// TestE5OnlyWantedObjectsAreRead of a span, and each once for a transaction.
func TestE5OnlyWantedObjectsAreRead(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 1)), 100)
	p := open(t, Config{})
	commit(t, p, log...)
	wanted := func(env *proto.Envelope, ev *proto.Event) bool { return ev.Key.Namespace == "b" && env.Seq%2 == 0 }
	n := 0
	for step, err := range p.Changes(t.Context(), 20, 60, wanted) {
		if err != nil {
			t.Fatal(err)
		}
		if seq := step.Record.Seq; step.Record.Key.Namespace != "b" || seq%2 != 0 || seq < 20 || seq > 60 {
			t.Errorf("%s at %s was not asked for", step.Record.Key, seq)
		}
		n++
	}
	if n == 0 {
		t.Error("nothing was found")
	}
	for _, err := range p.Changes(t.Context(), 200, Newest, wanted) {
		t.Errorf("behind the end: %v", err)
	}
}
