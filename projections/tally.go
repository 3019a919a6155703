package projections

import (
	"fmt"

	"segno/proto"
)

// tally is the fold itself: what entries make of objects, and the state hash
// after each. It writes nothing; whose it is keeps the objects, and the rows.
type tally struct {
	state   state     // as of the newest entry folded
	changed []*object // by the newest entry, in order of first touch
	// find answers the one copy of an object that entries are folded into.
	find func(proto.ObjectKey) (*object, error)
	// tell, unless it is nil, is told of every event that changed its object.
	tell func(env *proto.Envelope, ev *proto.Event, before, now *row)
}

// fold folds one entry; bodies are the section hashes of its events.
func (t *tally) fold(e *proto.Entry, bodies []proto.Hash) error {
	env := e.Envelope
	t.changed = t.changed[:0]
	for i := range env.Events {
		ev := &env.Events[i]
		if ev.Section == proto.SectionMark {
			continue
		}
		o, err := t.find(ev.Key)
		if err != nil {
			return err
		}
		now := o.now.next(ev, bodies[i], env.Seq, env)
		if now == o.now {
			continue
		}
		if t.tell != nil {
			t.tell(env, ev, o.now, now)
		}
		if o.txn != env.Seq {
			o.txn, o.before = env.Seq, o.now
			t.changed = append(t.changed, o)
		}
		o.now = now
	}
	for _, o := range t.changed {
		t.weigh(o)
	}
	t.state.Position = proto.Position{Seq: env.Seq, Hash: e.Hash, Term: env.Term, At: env.At}
	if t.state.First == 0 {
		t.state.First = env.Seq
	}
	return nil
}

// weigh brings the state hash up to date with an object.
func (t *tally) weigh(o *object) {
	o.now.finish()
	if o.before.live() {
		t.state.sum.sub(o.before.hash)
	}
	if o.now.live() {
		t.state.sum.add(o.now.hash)
	}
}

// admit drops what is folded already and refuses what does not follow. The log of a
// retained fold may begin anywhere; only a redacted one takes what is not whole.
func (s *state) admit(entries []proto.Entry, retained, redacted bool) ([]proto.Entry, error) {
	for len(entries) > 0 && entries[0].Envelope.Seq <= s.Seq {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil, nil
	}
	seq, hash := s.Seq, s.Hash
	if s.First == 0 && retained {
		seq, hash = entries[0].Envelope.Seq-1, entries[0].Envelope.Prev
	}
	for i := range entries {
		env := entries[i].Envelope
		if env.Seq != seq+1 {
			return nil, fmt.Errorf("commit transaction %s behind %s: %w", env.Seq, seq, ErrGap)
		}
		if entries[i].Redacted && !redacted {
			return nil, fmt.Errorf("commit transaction %s: %w", env.Seq, errRedacted)
		}
		if env.Prev != hash {
			return nil, fmt.Errorf("commit transaction %s: its predecessor is %s, folded was %s: %w", env.Seq, env.Prev.Short(), hash.Short(), ErrGap)
		}
		seq, hash = env.Seq, entries[i].Hash
	}
	return entries, nil
}
