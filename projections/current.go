package projections

import (
	"fmt"
	"iter"

	"segno/events"
	"segno/proto"
)

// CurrentConfig says what a Current is folded of; the fields are those of Config.
type CurrentConfig struct {
	Retained bool
	Redacted bool
	Folded   func(seq proto.Seq, state proto.Hash)
}

// Current is a log folded in memory without its past: what every object is now,
// without its body, and the state hash. It proves states at a fraction of what
// rows of every moment cost, and by the same fold; nothing can be read of it. It is
// for one goroutine.
type Current struct {
	cfg     CurrentConfig
	tally   tally
	objects map[proto.ObjectKey]*object // that live, and names that nothing came of
}

// NewCurrent is an empty one.
func NewCurrent(cfg CurrentConfig) *Current {
	c := &Current{cfg: cfg, objects: map[proto.ObjectKey]*object{}}
	c.tally.find = c.object
	return c
}

// Position is the newest folded transaction.
func (c *Current) Position() proto.Position { return c.tally.state.Position }

// StateHash is the hash of all current objects: that of a Projection of the log.
func (c *Current) StateHash() proto.Hash { return c.tally.state.sum.hash() }

// Seed fills an empty one with a snapshot, as Projection.Seed does. The records are
// its own from then on.
func (c *Current) Seed(at proto.Position, records iter.Seq2[*events.Record, error]) error {
	if at.Seq == 0 {
		return nil
	}
	if c.tally.state.Seq > 0 {
		return fmt.Errorf("seed with the state as of %s: %w: its log ends at %s", at.Seq, errNotEmpty, c.tally.state.Seq)
	}
	c.tally.state = state{Position: at, First: at.Seq + 1}
	for rec, err := range records {
		var r *row
		if err == nil {
			r, err = seedRow(rec, at.Seq)
		}
		if err != nil {
			return fmt.Errorf("seed with the state as of %s: %w", at.Seq, err)
		}
		c.tally.state.sum.add(r.hash)
		c.objects[rec.Key] = &object{key: rec.Key, now: r}
		r.strip()
	}
	return nil
}

// Commit folds entries that continue the log; those at or below the position are
// skipped. After an error it is to be thrown away.
func (c *Current) Commit(entries []proto.Entry) error {
	entries, err := c.tally.state.admit(entries, c.cfg.Retained, c.cfg.Redacted)
	if err != nil {
		return err
	}
	size := 0
	for i := range entries {
		size += len(entries[i].Encoded)
	}
	bodies := bodyHashes(entries, size)
	for i := range entries {
		env := entries[i].Envelope
		if err := c.tally.fold(&entries[i], bodies[:len(env.Events)]); err != nil {
			return fmt.Errorf("fold transaction %s: %w", env.Seq, err)
		}
		bodies = bodies[len(env.Events):]
		c.settle()
		if c.cfg.Folded != nil {
			c.cfg.Folded(env.Seq, c.StateHash())
		}
	}
	return nil
}

// object never fails: what is not there is an object that never was.
func (c *Current) object(key proto.ObjectKey) (*object, error) {
	o := c.objects[key]
	if o == nil {
		o = &object{key: key}
		c.objects[key] = o
	}
	return o, nil
}

// settle forgets, once an entry is folded, what the next one does not need.
func (c *Current) settle() {
	for _, o := range c.tally.changed {
		if !o.now.live() {
			delete(c.objects, o.key)
			continue
		}
		o.before = nil
		o.now.strip()
	}
}
