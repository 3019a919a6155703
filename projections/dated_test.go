package projections

import (
	"math/rand/v2"
	"testing"

	"segno/events"
	"segno/proto"
)

// TestE8AViewKnowsWhenAStatusWasWritten compares views as of every sequence with the
// history of every object.
func TestE8AViewKnowsWhenAStatusWasWritten(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(3, 8)), 80)
	p := open(t, Config{})
	commit(t, p, log...)
	keys, written := map[proto.ObjectKey]bool{}, 0
	for _, entry := range log {
		for i := range entry.Envelope.Events {
			keys[entry.Envelope.Events[i].Key] = true
		}
	}
	for seq := range proto.Seq(len(log) + 1) {
		view, err := p.At(seq)
		if err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			found, err := p.History(key, seq, 1)
			if err != nil {
				t.Fatal(err)
			}
			var want, made proto.Seq
			if len(found) > 0 && !found[0].Record.Deleted {
				want, made = found[0].Record.StatusSeq, found[0].Record.Created
			}
			if got, err := events.StatusSeq(view, key); got != want || err != nil {
				t.Fatalf("%s as of %s: %s, %v, want %s", key, seq, got, err, want)
			}
			if got, err := events.CreatedSeq(view, key); got != made || err != nil {
				t.Fatalf("%s as of %s: made at %s, %v, want %s", key, seq, got, err, made)
			}
			if want > 0 && want < seq {
				written++
			}
		}
	}
	if written < 100 {
		t.Errorf("%d statuses are older than the view: the test shows little", written)
	}
}
