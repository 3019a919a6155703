package projections

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

// timeEvery is how many transactions lie between two rows of the time index.
const timeEvery = 64

// group folds some entries into one batch. Nothing outside of it changes before
// the batch is committed.
type group struct {
	p       *Projection
	batch   *pebble.Batch
	reader  *versions // opened for the first object that is not in memory
	state   state     // as of the newest entry folded
	objects map[proto.ObjectKey]*object
	order   []*object // in order of first touch
	txns    []*txn
	recent  []touched
	buf     []byte
}

// object is one object while its group is folded.
type object struct {
	key    proto.ObjectKey
	start  *row // before the group
	before *row // before the transaction in hand
	now    *row
	txn    proto.Seq // transaction in hand that changed it
}

func (p *Projection) newGroup(size int) *group {
	return &group{
		p: p, state: *p.state.Load(), batch: p.db.NewBatchWithSize(size),
		objects: make(map[proto.ObjectKey]*object),
	}
}

func (g *group) close() error {
	err := g.batch.Close()
	if g.reader != nil {
		if closing := g.reader.close(); err == nil {
			err = closing
		}
	}
	return err
}

// object answers the group's copy of an object: from the group itself, from
// memory, or from its newest version.
func (g *group) object(key proto.ObjectKey) (*object, error) {
	if o := g.objects[key]; o != nil {
		return o, nil
	}
	r, ok := g.p.records.get(key)
	if !ok {
		var err error
		if r, err = g.load(key); err != nil {
			return nil, err
		}
	}
	o := &object{key: key, start: r, before: r, now: r}
	g.objects[key] = o
	g.order = append(g.order, o)
	return o, nil
}

func (g *group) load(key proto.ObjectKey) (*row, error) {
	if g.reader == nil {
		reader, err := g.p.versions(g.p.db)
		if err != nil {
			return nil, err
		}
		g.reader = reader
	}
	r, err := g.reader.row(key, ^proto.Seq(0))
	if err != nil || r == nil {
		return nil, err
	}
	r.spec, r.status = sectionHash(r.rec.Spec), sectionHash(r.rec.Status)
	r.finish()
	return r, nil
}

// fold folds one entry; bodies are the section hashes of its events.
func (g *group) fold(e *proto.Entry, bodies []proto.Hash) error {
	env := e.Envelope
	t := &txn{seq: env.Seq}
	var changed []*object
	for i := range env.Events {
		ev := &env.Events[i]
		if ev.Section == proto.SectionMark {
			continue
		}
		o, err := g.object(ev.Key)
		if err != nil {
			return err
		}
		now := o.now.next(ev, bodies[i], env.Seq, env)
		if now == o.now {
			continue
		}
		t.changes = append(t.changes, changeOf(env, ev, o.now, now))
		if o.txn != env.Seq {
			o.txn, o.before = env.Seq, o.now
			changed = append(changed, o)
		}
		o.now = now
	}
	for _, o := range changed {
		if err := g.version(o); err != nil {
			return err
		}
		g.recent = append(g.recent, touched{seq: env.Seq, key: o.key})
	}
	if len(t.changes) > 0 {
		t.settle(len(changed))
		g.txns = append(g.txns, t)
	}
	return g.event(e)
}

// version writes what the transaction in hand made of the object, and brings the
// state hash up to date.
func (g *group) version(o *object) error {
	o.now.finish()
	if o.before.live() {
		g.state.sum.sub(o.before.hash)
	}
	if o.now.live() {
		g.state.sum.add(o.now.hash)
	}
	g.buf = appendVersion(g.buf[:0], o.key, o.now.rec.Seq)
	n := len(g.buf)
	g.buf = appendVersionRow(g.buf, o.now)
	return g.batch.Set(g.buf[:n], g.buf[n:], nil)
}

// event writes the entry's own rows.
func (g *group) event(e *proto.Entry) error {
	env := e.Envelope
	g.state.Position = proto.Position{Seq: env.Seq, Hash: e.Hash, Term: env.Term, At: env.At}
	if g.state.First == 0 {
		g.state.First = env.Seq
	}
	hash := g.state.sum.hash()
	op := g.batch.SetDeferred(1+8, len(hash)+len(e.Encoded))
	appendSeq(append(op.Key[:0], spaceEvent), env.Seq)
	copy(op.Value[copy(op.Value, hash[:]):], e.Encoded)
	if err := op.Finish(); err != nil {
		return err
	}
	if env.Seq%timeEvery == 0 || env.Seq == g.state.First {
		if err := g.batch.Set(timeKey(unixNano(env.At), env.Seq), nil, nil); err != nil {
			return err
		}
	}
	if env.Cause.Seq == 0 {
		return nil
	}
	return g.batch.Set(causeKey(env.Cause.Seq, env.Seq), nil, nil)
}

// finish writes the rows of what is current now, and the position.
func (g *group) finish() error {
	for _, o := range g.order {
		if o.now == o.start {
			continue
		}
		if err := g.current(o); err != nil {
			return fmt.Errorf("index %s: %w", o.key, err)
		}
	}
	g.buf = g.state.append(g.buf[:0])
	return g.batch.Set([]byte{spacePosition}, g.buf, nil)
}

func (g *group) current(o *object) error {
	g.buf = appendObject(g.buf[:0], spaceCurrent, o.key)
	switch {
	case o.now.live():
		n := len(g.buf)
		g.buf = appendSeq(g.buf, o.now.rec.Seq)
		if err := g.batch.Set(g.buf[:n], g.buf[n:], nil); err != nil {
			return err
		}
	case o.start.live():
		if err := g.batch.Delete(g.buf, nil); err != nil {
			return err
		}
	}
	if o.start.live() && o.now.live() && sameSpec(o.start, o.now) {
		return nil
	}
	return g.p.reindex(g.batch, o.start, o.now)
}

// sameSpec tells whether the index rows cannot differ.
func sameSpec(a, b *row) bool {
	return a.rec.UID == b.rec.UID && a.rec.SpecSeq == b.rec.SpecSeq && len(indexedFields[a.rec.Key.Resource]) == 0
}

func (p *Projection) reindex(batch *pebble.Batch, before, now *row) error {
	return diff(p.indexKeys(before), p.indexKeys(now),
		func(key []byte) error { return batch.Delete(key, nil) },
		func(key []byte) error { return batch.Set(key, nil, nil) })
}

func changeOf(env *proto.Envelope, ev *proto.Event, before, now *row) events.Change {
	c := events.Change{
		Seq: env.Seq, At: env.At, Actor: env.Actor, Correlation: env.Correlation,
		Event: *ev, After: now.rec,
	}
	if before.live() {
		c.Before = before.rec
	}
	return c
}
