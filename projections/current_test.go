package projections

import (
	"errors"
	"math/rand/v2"
	"testing"

	"segno/proto"
)

// TestE9AFoldWithoutThePastGivesTheSameStates cuts random histories at every
// sequence and folds the rest in random groups: after every transaction the state
// hash is that of the whole fold.
func TestE9AFoldWithoutThePastGivesTheSameStates(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 19))
		log := randomLog(rng, 60)
		whole := open(t, Config{})
		commit(t, whole, log...)
		for cut := proto.Seq(0); cut < proto.Seq(len(log)); cut++ {
			var told proto.Seq
			c := NewCurrent(CurrentConfig{Folded: func(seq proto.Seq, state proto.Hash) {
				told++
				if want, err := whole.StateHashAt(seq); err != nil || state != want || seq != cut+told {
					t.Fatalf("seed %d, cut at %s: after %s the state is %s, not %s (%v)", seed, cut, seq, state.Short(), want.Short(), err)
				}
			}})
			at := proto.Position{Seq: cut}
			if cut > 0 {
				at.Hash = log[cut-1].Hash
			}
			if err := c.Seed(at, whole.Records(t.Context(), cut)); err != nil {
				t.Fatal(err)
			}
			if want, err := whole.StateHashAt(cut); err != nil || c.StateHash() != want {
				t.Fatalf("seed %d: seeded as of %s the state is %s, not %s (%v)", seed, cut, c.StateHash().Short(), want.Short(), err)
			}
			for rest := log[cut:]; len(rest) > 0; {
				n := 1 + rng.IntN(len(rest))
				if err := c.Commit(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if told != proto.Seq(len(log))-cut || c.Position().Hash != log[len(log)-1].Hash {
				t.Fatalf("seed %d, cut at %s: told of %d transactions, ends at %v", seed, cut, told, c.Position())
			}
		}
	}
}

// TestE9AFoldWithoutThePastIsOfOneLog refuses what does not follow, as the other
// fold does, and skips what it has.
func TestE9AFoldWithoutThePastIsOfOneLog(t *testing.T) {
	log := randomLog(rand.New(rand.NewPCG(1, 19)), 20)
	c := NewCurrent(CurrentConfig{})
	if err := c.Commit(log[:10]); err != nil {
		t.Fatal(err)
	}
	other := log[10]
	env := *other.Envelope
	env.Prev[0]++
	other.Envelope = &env
	for name, entries := range map[string][]proto.Entry{"a gap": log[11:], "another predecessor": {other}} {
		if err := c.Commit(entries); !errors.Is(err, ErrGap) {
			t.Errorf("%s: %v", name, err)
		}
	}
	redacted := log[10]
	redacted.Redacted = true
	if err := c.Commit([]proto.Entry{redacted}); !errors.Is(err, errRedacted) {
		t.Errorf("redacted: %v", err)
	}
	before := c.StateHash()
	if err := c.Commit(log[:10]); err != nil || c.StateHash() != before {
		t.Errorf("what is folded already: %v, the state is %s, was %s", err, c.StateHash().Short(), before.Short())
	}
	if err := c.Seed(proto.Position{Seq: 3}, nil); !errors.Is(err, errNotEmpty) {
		t.Errorf("seeded later: %v", err)
	}
}
