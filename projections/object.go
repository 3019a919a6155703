package projections

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// object is one object while its group is folded.
type object struct {
	key    proto.ObjectKey
	start  *row // before the group
	before *row // before the transaction in hand
	now    *row
	txn    proto.Seq // transaction in hand that changed it
}

// object answers the group's copy of an object: from the group itself, from
// memory, or from its row.
func (g *group) object(key proto.ObjectKey) (*object, error) {
	if o := g.objects[key]; o != nil {
		return o, nil
	}
	r, ok := g.p.records.get(key)
	if !ok && g.p.present.may(key) {
		var err error
		if r, err = g.load(key); err != nil {
			return nil, err
		}
	}
	if g.followed {
		var err error
		if r, err = g.filled(r); err != nil {
			return nil, err
		}
	}
	o := &object{key: key, start: r, before: r, now: r}
	g.objects[key] = o
	g.order = append(g.order, o)
	return o, nil
}

func (g *group) load(key proto.ObjectKey) (*row, error) {
	g.buf = appendObject(g.buf[:0], spaceCurrent, key)
	value, closer, err := g.p.db.Get(g.buf)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer closer.Close()
	r, err := readCurrent(key, value)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return r, nil
}

func (g *group) filled(r *row) (*row, error) {
	if r == nil || r.lacks == 0 {
		return r, nil
	}
	if g.reader == nil {
		reader, err := g.p.versions(g.p.db)
		if err != nil {
			return nil, err
		}
		g.reader = reader
	}
	return g.reader.filled(r)
}

// current writes the object's own row and the index rows that changed.
func (g *group) current(o *object) error {
	if err := g.reindex(o); err != nil {
		return err
	}
	g.buf = appendObject(g.buf[:0], spaceCurrent, o.key)
	if o.now.live() {
		n := len(g.buf)
		g.buf = appendCurrentRow(g.buf, o.now)
		return g.batch.Set(g.buf[:n], g.buf[n:], nil)
	}
	if o.start.live() {
		return g.batch.Delete(g.buf, nil)
	}
	return nil
}

// reindex needs the object's old body only when its index rows changed.
func (g *group) reindex(o *object) error {
	if o.start.live() && o.now.live() && o.start.rec.SpecSeq == o.now.rec.SpecSeq {
		return nil // indexes are made of the spec section alone
	}
	keys := g.p.indexKeys(o.now)
	o.now.terms = hashTerms(keys)
	var before [][]byte
	if o.start.live() {
		if o.start.terms == o.now.terms {
			return nil
		}
		start, err := g.filled(o.start)
		if err != nil {
			return err
		}
		before = g.p.indexKeys(start)
	}
	return diff(before, keys,
		func(key []byte) error { return g.batch.Delete(key, nil) },
		func(key []byte) error { return g.batch.Set(key, nil, nil) })
}

// strip lets go of the bodies of rows that nobody else has seen: of the whole
// log that is replayed, otherwise, much would stay in memory.
func (g *group) strip() {
	if g.followed {
		return
	}
	for _, o := range g.order {
		if o.now == o.start {
			continue
		}
		o.now.strip()
	}
}
