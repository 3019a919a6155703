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
	tally
	p        *Projection
	batch    *pebble.Batch
	reader   *versions // opened for the first body that is not in memory
	followed bool      // somebody wants the changes; otherwise bodies are not fetched
	objects  map[proto.ObjectKey]*object
	order    []*object // in order of first touch
	txns     []*txn
	txn      *txn // in hand
	recent   []touched
	folded   []folded
	buf      []byte
}

// folded is an entry and the state hash after it.
type folded struct {
	entry *proto.Entry
	state proto.Hash
}

// newGroup begins a group; only one is open at a time, and what it allocated
// serves the next one. It is to be closed.
func (p *Projection) newGroup() *group {
	g := p.group
	if g == nil {
		g = &group{p: p, batch: p.db.NewBatch(), objects: map[proto.ObjectKey]*object{}}
		p.group = g
	}
	g.state, g.followed = *p.state.Load(), p.feed.followed()
	g.find, g.tell = g.object, nil
	if g.followed {
		g.tell = g.note
	}
	return g
}

func (g *group) close() error {
	var err error
	if g.reader != nil {
		err = g.reader.close()
	}
	g.batch.Reset()
	clear(g.objects)
	clear(g.order)
	clear(g.folded)
	*g = group{
		p: g.p, batch: g.batch, objects: g.objects,
		order: g.order[:0], recent: g.recent[:0], tally: tally{changed: g.changed[:0]},
		folded: g.folded[:0], buf: g.buf[:0],
	}
	return err
}

// fold folds one entry; bodies are the section hashes of its events.
func (g *group) fold(e *proto.Entry, bodies []proto.Hash) error {
	seq := e.Envelope.Seq
	g.txn = &txn{seq: seq}
	if err := g.tally.fold(e, bodies); err != nil {
		return err
	}
	for _, o := range g.changed {
		if err := g.version(o); err != nil {
			return err
		}
		g.recent = append(g.recent, touched{seq: seq, key: o.key})
	}
	if len(g.txn.changes) > 0 {
		g.txn.settle(len(g.changed))
		g.txns = append(g.txns, g.txn)
	}
	state := g.state.sum.hash()
	g.folded = append(g.folded, folded{entry: e, state: state})
	if told := g.p.cfg.Folded; told != nil {
		told(seq, state)
	}
	return nil
}

// note keeps a change for those who follow.
func (g *group) note(env *proto.Envelope, ev *proto.Event, before, now *row) {
	g.txn.changes = append(g.txn.changes, changeOf(env, ev, before, now))
}

// version writes what the transaction in hand made of the object.
func (g *group) version(o *object) error {
	g.buf = appendVersion(g.buf[:0], o.key, o.now.rec.Seq)
	n := len(g.buf)
	g.buf = appendVersionRow(g.buf, o.now)
	return g.batch.Set(g.buf[:n], g.buf[n:], nil)
}

// event writes an entry's own rows.
func (g *group) event(f folded) error {
	env, encoded := f.entry.Envelope, f.entry.Encoded
	g.buf = appendEvent(g.buf[:0], env.Seq)
	key := len(g.buf)
	g.buf = append(g.buf, f.state[:]...)
	if g.p.cfg.scratch {
		encoded = nil
	} else {
		g.buf = appendRedaction(g.buf, f.entry)
	}
	head := g.buf[key:]
	op := g.batch.SetDeferred(key, len(head)+len(encoded))
	copy(op.Key, g.buf)
	copy(op.Value[copy(op.Value, head):], encoded)
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

// finish writes the rows of the entries (together, because neighbours are cheap
// to insert), of what is current now, and of the position.
func (g *group) finish() error {
	for _, f := range g.folded {
		if err := g.event(f); err != nil {
			return err
		}
	}
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
