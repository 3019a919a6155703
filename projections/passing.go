package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"segno/events"
	"segno/proto"
)

// shardObjects is how many living objects one goroutine passes by at a time.
const shardObjects = 2048

// PassBy shows every version of the objects of a resource (in one namespace, or
// in all) from after up to upto, both included: of each object the one that stood
// after the transaction after, if it lived then, and those that came, oldest first.
// Objects come in no order. Several goroutines go, each with a visitor of its own.
// Nothing is decoded.
func (p *Projection) PassBy(ctx context.Context, resource proto.Resource, namespace string, after, upto proto.Seq, visitor func() func(*events.Sighting) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	snapshot := p.db.NewSnapshot()
	defer snapshot.Close()
	for _, seq := range []proto.Seq{after, upto} {
		if _, err := p.At(seq); err != nil {
			return err
		}
	}
	shards, err := shardsOf(snapshot, resource, namespace)
	if err != nil {
		return fmt.Errorf("divide %s: %w", resource, p.cfg.explain(err))
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(shards)-1) {
		ps := &passing{after: after, upto: upto, visit: visitor()}
		group.Go(func() error {
			for i := next.Add(1); i < int64(len(shards)); i = next.Add(1) {
				if err := ps.shard(ctx, snapshot, shards[i-1], shards[i]); err != nil {
					return p.cfg.explain(err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// shardsOf are keys between which about equally many versions lie, the ends of
// all of them included.
func shardsOf(db pebble.Reader, resource proto.Resource, namespace string) ([][]byte, error) {
	scope := func(space byte) []byte {
		prefix := appendResource(nil, space, resource)
		if namespace != "" {
			prefix = appendText(prefix, namespace)
		}
		return prefix
	}
	all, living := scope(spaceVersion), scope(spaceCurrent)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: living, UpperBound: after(living)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	out := [][]byte{all}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%shardObjects == 0 {
			key := bytes.Clone(it.Key())
			key[0] = spaceVersion
			out = append(out, key)
		}
	}
	return append(out, after(all)), it.Error()
}

// heldMost is how many bytes of an object's versions are held at once: one with
// more of them is read from its oldest version on.
const heldMost = 1 << 20

// passing is one goroutine on its way.
type passing struct {
	after, upto proto.Seq
	visit       func(*events.Sighting) error
	it          *pebble.Iterator
	object      []byte
	sighting    events.Sighting // the last of the object
	seen        []version       // of one object, newest first; what they hold lies in bodies
	at          []proto.Seq
	bodies      []byte
}

func (ps *passing) shard(ctx context.Context, db pebble.Reader, lower, upper []byte) (err error) {
	if ps.it, err = db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper}); err != nil {
		return err
	}
	defer ps.it.Close()
	for ok := ps.it.First(); ok; {
		if err := ctx.Err(); err != nil {
			return err
		}
		object, _ := splitVersion(ps.it.Key())
		ps.object = append(ps.object[:0], object...)
		if ok, err = ps.one(ctx); err != nil {
			return fmt.Errorf("pass by %s: %w", describeKey(ps.object), err)
		}
	}
	return ps.it.Error()
}

// one shows the object that the iterator stands on, and moves to the next.
func (ps *passing) one(ctx context.Context) (more bool, err error) {
	ps.sighting = events.Sighting{New: true}
	all, err := ps.gather()
	switch {
	case err != nil:
		return false, err
	case !all:
		return ps.climb(ctx)
	}
	if err := ps.show(); err != nil {
		return false, err
	}
	return ps.nextObject(), nil
}

// gather reads the versions of the object that the iterator stands on; all is
// false when they are too many.
func (ps *passing) gather() (all bool, err error) {
	ps.seen, ps.at, ps.bodies = ps.seen[:0], ps.at[:0], ps.bodies[:0]
	here := true
	if _, seq := splitVersion(ps.it.Key()); seq > ps.upto {
		here = ps.seek(ps.upto)
	}
	for here {
		v, seq, err := ps.take()
		switch {
		case err != nil:
			return false, err
		case seq <= ps.after:
			return true, ps.base(v)
		case len(ps.bodies) > heldMost:
			return false, nil
		}
		here = ps.it.Next() && ps.same()
	}
	return true, nil
}

// climb shows the object's versions one by one, from the oldest on, and moves to the
// next object.
func (ps *passing) climb(ctx context.Context) (more bool, err error) {
	ps.seen, ps.at, ps.bodies = ps.seen[:0], ps.at[:0], nil
	if ps.seek(ps.after) {
		v, _, err := ps.take()
		if err == nil {
			err = ps.base(v)
		}
		if err == nil {
			err = ps.show()
		}
		if err != nil {
			return false, err
		}
	}
	for ok := ps.it.SeekLT(appendVersionSuffix(bytes.Clone(ps.object), ps.after)); ok && ps.same(); ok = ps.it.Prev() {
		v, seq, err := ps.version()
		if err = errors.Join(err, ctx.Err()); err != nil {
			return false, err
		}
		if seq > ps.upto {
			break
		}
		v.spec, v.status = bytes.Clone(v.spec), bytes.Clone(v.status)
		if err := ps.pass(&v, seq); err != nil {
			return false, err
		}
	}
	if err := ps.it.Error(); err != nil {
		return false, err
	}
	return ps.it.SeekGE(after(ps.object)), nil
}

// same tells whether the iterator still stands on the object.
func (ps *passing) same() bool {
	object, _ := splitVersion(ps.it.Key())
	return bytes.Equal(object, ps.object)
}

// seek goes to the object's newest version as of a sequence.
func (ps *passing) seek(seq proto.Seq) (here bool) {
	return ps.it.SeekGE(appendVersionSuffix(bytes.Clone(ps.object), seq)) && ps.same()
}

// nextObject leaves the object: by a few steps, which are cheap, or else by a
// seek. (NextPrefix is for keys that compare by their prefixes first.)
func (ps *passing) nextObject() (more bool) {
	const few = 4
	for range few {
		if !ps.it.Valid() || !ps.same() {
			return ps.it.Valid()
		}
		ps.it.Next()
	}
	if !ps.it.Valid() || !ps.same() {
		return ps.it.Valid()
	}
	return ps.it.SeekGE(after(ps.object))
}

// base fetches the sections of the oldest version that lie in older rows. A
// deletion leaves nothing that stands.
func (ps *passing) base(v version) error {
	oldest := len(ps.seen) - 1
	if v.flags&flagDeleted != 0 {
		ps.seen, ps.at = ps.seen[:oldest], ps.at[:oldest]
		return nil
	}
	last := &ps.seen[oldest]
	if v.flags&flagSpec == 0 {
		from, err := ps.section(v.specSeq)
		if err != nil {
			return err
		}
		last.spec, last.flags = from.spec, last.flags|flagSpec
	}
	if v.flags&flagStatus == 0 && v.statusSeq > 0 {
		from, err := ps.section(v.statusSeq)
		if err != nil {
			return err
		}
		last.status, last.flags = from.status, last.flags|flagStatus
	}
	return nil
}

func (ps *passing) section(seq proto.Seq) (version, error) {
	if !ps.seek(seq) {
		return version{}, errSection
	}
	v, at, err := ps.read()
	if err == nil && at != seq {
		err = errSection
	}
	return v, err
}

// take keeps the version that the iterator stands on.
func (ps *passing) take() (version, proto.Seq, error) {
	v, seq, err := ps.read()
	ps.seen, ps.at = append(ps.seen, v), append(ps.at, seq)
	return v, seq, err
}

// read copies the version that the iterator stands on.
func (ps *passing) read() (version, proto.Seq, error) {
	v, seq, err := ps.version()
	v.spec, v.status = ps.keep(v.spec), ps.keep(v.status)
	return v, seq, err
}

// version is the one that the iterator stands on, until it moves.
func (ps *passing) version() (v version, seq proto.Seq, err error) {
	_, seq = splitVersion(ps.it.Key())
	value, err := ps.it.ValueAndErr()
	if err == nil {
		v, err = readVersion(value)
	}
	v.uid = nil
	return v, seq, err
}

func (ps *passing) keep(body []byte) []byte {
	from := len(ps.bodies)
	ps.bodies = append(ps.bodies, body...)
	return ps.bodies[from:len(ps.bodies):len(ps.bodies)]
}

// show visits what was gathered, oldest first.
func (ps *passing) show() error {
	for i := len(ps.seen) - 1; i >= 0; i-- {
		if err := ps.pass(&ps.seen[i], ps.at[i]); err != nil {
			return err
		}
	}
	return nil
}

// pass visits the next version of the object, with the newest sections before it.
func (ps *passing) pass(v *version, seq proto.Seq) error {
	s := &ps.sighting
	s.Seq, s.Deleted, s.SpecSeq, s.StatusSeq = seq, v.flags&flagDeleted != 0, v.specSeq, v.statusSeq
	if v.flags&flagSpec != 0 {
		s.Spec = v.spec
	}
	if v.flags&flagStatus != 0 {
		s.Status = v.status
	}
	if v.statusSeq == 0 {
		s.Status = nil
	}
	err := ps.visit(s)
	s.New = false
	return err
}
