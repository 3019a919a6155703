package projections

import (
	"context"
	"iter"

	"segno/events"
	"segno/proto"
)

// Step is what one transaction did to one object. Before is what it was (nil:
// never before; Deleted: it had ended), Record what it has become.
type Step struct {
	Revision
	Before *events.Record
}

// Wanted chooses among the events of a transaction.
type Wanted func(*proto.Envelope, *proto.Event) bool

// Changes yields what the transactions from and to, both included, and all
// between them did to objects with a wanted event. Only of these are versions
// read. to may lie in the future: then it ends with the newest one. The last
// thing it yields may be an error.
func (p *Projection) Changes(ctx context.Context, from, to proto.Seq, wanted Wanted) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		for env, err := range p.Events(ctx, from, to) {
			if err != nil {
				yield(Step{}, err)
				return
			}
			keys := objectsOf(env, wanted)
			if len(keys) == 0 {
				continue
			}
			steps, err := p.steps(env, keys)
			for _, step := range steps {
				if !yield(step, nil) {
					return
				}
			}
			if err != nil {
				yield(Step{}, err)
				return
			}
		}
	}
}

// objectsOf are the objects of a transaction with a wanted event, each once.
func objectsOf(env *proto.Envelope, wanted Wanted) (keys []proto.ObjectKey) {
	known := map[proto.ObjectKey]bool{}
	for i := range env.Events {
		ev := &env.Events[i]
		if ev.Section != proto.SectionMark && !known[ev.Key] && wanted(env, ev) {
			known[ev.Key] = true
			keys = append(keys, ev.Key)
		}
	}
	return keys
}

// steps reads the versions around a transaction. Objects that it did not change,
// as a late status does not, are left out.
func (p *Projection) steps(env *proto.Envelope, keys []proto.ObjectKey) (out []Step, err error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	for _, key := range keys {
		after, err := reader.row(key, env.Seq)
		if err != nil {
			return out, p.cfg.explain(err)
		}
		if after == nil || after.rec.Seq != env.Seq {
			continue
		}
		before, err := reader.row(key, env.Seq-1)
		if err != nil {
			return out, p.cfg.explain(err)
		}
		out = append(out, Step{Revision: Revision{Record: after.rec, Envelope: env, Events: about(env, key)}, Before: before.record()})
	}
	return out, nil
}

// about are the events of a transaction that are about one object.
func about(env *proto.Envelope, key proto.ObjectKey) (out []proto.Event) {
	for i := range env.Events {
		if env.Events[i].Key == key {
			out = append(out, env.Events[i])
		}
	}
	return out
}

// Difference is an object as of two moments; nil where it did not live then.
type Difference struct {
	Key    proto.ObjectKey
	Before *events.Record
	After  *events.Record
}

// Between yields every object with a wanted event that the transactions behind
// from, up to and including to, changed: once, at its last change, and nothing is
// kept of those before. An object that came and went in between has neither
// Before nor After. The last thing it yields may be an error.
func (p *Projection) Between(ctx context.Context, from, to proto.Seq, wanted Wanted) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		for env, err := range p.Events(ctx, from+1, to) {
			if err != nil {
				yield(Difference{}, err)
				return
			}
			for _, key := range objectsOf(env, wanted) {
				d, last, err := p.difference(key, from, env.Seq, to)
				if !last && err == nil {
					continue
				}
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

// difference compares an object around a span, when its last change in it was
// that of at.
func (p *Projection) difference(key proto.ObjectKey, from, at, to proto.Seq) (d Difference, last bool, err error) {
	if err := p.enter(); err != nil {
		return d, false, err
	}
	defer p.leave()
	reader, err := p.versions(p.db)
	if err != nil {
		return d, false, err
	}
	defer reader.close()
	newest, v, ok, err := reader.newest(key, to)
	if err != nil || !ok || newest != at {
		return d, false, p.cfg.explain(err)
	}
	d.Key = key
	after, err := reader.complete(key, newest, v)
	if err != nil {
		return d, false, p.cfg.explain(err)
	}
	before, err := reader.row(key, from)
	if err != nil {
		return d, false, p.cfg.explain(err)
	}
	if after.live() {
		d.After = after.rec
	}
	if before.live() {
		d.Before = before.rec
	}
	return d, true, nil
}
