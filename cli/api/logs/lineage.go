package logs

import (
	"context"
	"iter"
	"slices"
	"time"

	"segno/events"
	"segno/events/bisect"
	"segno/projections"
	"segno/proto"
)

// lineage is a log as who asks about the past sees it: what it was folded into,
// and, where it goes on from a moment of another one, that other one up to there.
type lineage struct {
	*projections.Projection
	parent *projections.Projection // nil is none
	point  proto.Seq               // the last transaction that is the parent's
}

var _ bisect.Log = lineage{}

func newLineage(log Log) lineage {
	l := lineage{Projection: log.Fold, parent: log.Parent}
	if l.Projection == nil || l.First() == 0 {
		l.parent = nil // it begins with nothing
	}
	if l.parent != nil {
		l.point = l.First() - 1
	}
	return l
}

// behind tells whether there is a parent that still has what comes right before
// the log's own transactions: either may have dropped what is old.
func (l lineage) behind() bool {
	return l.parent != nil && l.Projection.First() == l.point+1 && l.parent.First() <= l.point
}

// of is the log that has the state after a transaction.
func (l lineage) of(seq proto.Seq) *projections.Projection {
	if l.behind() && seq < l.point {
		return l.parent
	}
	return l.Projection
}

// First is the oldest transaction that can be read.
func (l lineage) First() proto.Seq {
	if l.behind() {
		return l.parent.First()
	}
	return l.Projection.First()
}

// At is the state after a transaction.
func (l lineage) At(seq proto.Seq) (events.View, error) { return l.of(seq).At(seq) }

// TimeOf is when a transaction was appended.
func (l lineage) TimeOf(seq proto.Seq) (time.Time, error) { return l.of(seq).TimeOf(seq) }

// PositionAt is the position and the state hash after a transaction.
func (l lineage) PositionAt(seq proto.Seq) (proto.Position, proto.Hash, error) {
	return l.of(seq).PositionAt(seq)
}

// Records yields the objects as they were after a transaction.
func (l lineage) Records(ctx context.Context, seq proto.Seq) iter.Seq2[*events.Record, error] {
	return l.of(seq).Records(ctx, seq)
}

// SeqAt is the newest transaction at or before a moment.
func (l lineage) SeqAt(at time.Time) (proto.Seq, error) {
	seq, err := l.Projection.SeqAt(at)
	if err != nil || !l.behind() || seq > l.point {
		return seq, err
	}
	seq, err = l.parent.SeqAt(at)
	return min(seq, l.point), err
}

// Envelope is one transaction.
func (l lineage) Envelope(seq proto.Seq) (*proto.Envelope, error) {
	if l.behind() && seq <= l.point {
		return l.parent.Envelope(seq)
	}
	return l.Projection.Envelope(seq)
}

// along yields a span, both ends included: the parent's part of it, and then the
// log's own.
func along[T any](l lineage, from, to proto.Seq, read func(p *projections.Projection, from, to proto.Seq) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if l.behind() && from <= l.point {
			for item, err := range read(l.parent, from, min(to, l.point)) {
				if !yield(item, err) || err != nil {
					return
				}
			}
			from = l.point + 1
		}
		if from <= to {
			read(l.Projection, from, to)(yield)
		}
	}
}

// Entries yields the transactions of a span.
func (l lineage) Entries(ctx context.Context, from, to proto.Seq) iter.Seq2[projections.Recorded, error] {
	return along(l, from, to, func(p *projections.Projection, from, to proto.Seq) iter.Seq2[projections.Recorded, error] {
		return p.Entries(ctx, from, to)
	})
}

// Events is Entries for those who need only what happened.
func (l lineage) Events(ctx context.Context, from, to proto.Seq) iter.Seq2[*proto.Envelope, error] {
	return along(l, from, to, func(p *projections.Projection, from, to proto.Seq) iter.Seq2[*proto.Envelope, error] {
		return p.Events(ctx, from, to)
	})
}

// Changes yields what the transactions of a span did to objects.
func (l lineage) Changes(ctx context.Context, from, to proto.Seq, wanted projections.Wanted) iter.Seq2[projections.Step, error] {
	return along(l, from, to, func(p *projections.Projection, from, to proto.Seq) iter.Seq2[projections.Step, error] {
		return p.Changes(ctx, from, to, wanted)
	})
}

// Between yields every object that changed behind from, up to and including to,
// at its last change. One that changed on both sides of the point is the own
// log's, and as it was at first the parent's. What is wanted is told by the object
// alone: both sides then want the same ones.
func (l lineage) Between(ctx context.Context, from, to proto.Seq, wanted projections.Wanted) iter.Seq2[projections.Difference, error] {
	if !l.behind() || from >= l.point {
		return l.Projection.Between(ctx, from, to, wanted)
	}
	if to <= l.point {
		return l.parent.Between(ctx, from, to, wanted)
	}
	return func(yield func(projections.Difference, error) bool) {
		for d, err := range l.parent.Between(ctx, from, l.point, wanted) {
			again := false
			if err == nil {
				again, err = l.changed(d.Key, to)
			}
			if !again && (!yield(d, err) || err != nil) {
				return
			}
		}
		for d, err := range l.Projection.Between(ctx, l.point, to, wanted) {
			if err == nil {
				d.Before, err = l.then(d.Key, from)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// changed tells whether the log itself changed an object, up to a transaction.
func (l lineage) changed(key proto.ObjectKey, upto proto.Seq) (bool, error) {
	at, err := l.Projection.ChangedAt(key, l.point, upto)
	return len(at) > 0, err
}

// then is an object as of a transaction of the parent; nil where it did not live.
func (l lineage) then(key proto.ObjectKey, seq proto.Seq) (*events.Record, error) {
	found, err := l.parent.History(key, seq, 1)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return l.parent.Beginning(key)
	case found[0].Record.Deleted:
		return nil, nil
	default:
		return found[0].Record, nil
	}
}

// History answers the versions of an object up to a sequence, newest first.
func (l lineage) History(key proto.ObjectKey, last proto.Seq, limit int) ([]projections.Revision, error) {
	found, err := l.Projection.History(key, last, limit)
	if err != nil || !l.behind() || limit > 0 && len(found) >= limit {
		return found, err
	}
	if limit > 0 {
		limit -= len(found)
	}
	before, err := l.parent.History(key, min(last, l.point), limit)
	return append(found, before...), err
}

// Beginning is an object as the log began with it, and as no transaction made it
// that can be read.
func (l lineage) Beginning(key proto.ObjectKey) (*events.Record, error) {
	if l.behind() {
		return l.parent.Beginning(key)
	}
	return l.Projection.Beginning(key)
}

// Effects are the transactions that one caused, directly.
func (l lineage) Effects(seq proto.Seq) ([]proto.Seq, error) {
	own, err := l.Projection.Effects(seq)
	if err != nil || !l.behind() || seq >= l.point {
		return own, err
	}
	before, err := l.parent.Effects(seq)
	before = slices.DeleteFunc(before, func(effect proto.Seq) bool { return effect > l.point })
	return append(before, own...), err
}

// ChangedAt are the transactions behind after, up to upto, that changed an object.
func (l lineage) ChangedAt(key proto.ObjectKey, after, upto proto.Seq) (out []proto.Seq, err error) {
	if l.behind() && after < l.point {
		if out, err = l.parent.ChangedAt(key, after, min(upto, l.point)); err != nil {
			return nil, err
		}
		after = l.point
	}
	if after >= upto {
		return out, nil
	}
	own, err := l.Projection.ChangedAt(key, after, upto)
	return append(out, own...), err
}

// PassBy shows the versions of a resource's objects in a span: the parent's part
// of it, and then the log's own, which begins with what stood at the point.
func (l lineage) PassBy(ctx context.Context, resource proto.Resource, namespace string, after, upto proto.Seq, visitor func() func(*events.Sighting) error) error {
	if !l.behind() || after >= l.point {
		return l.Projection.PassBy(ctx, resource, namespace, after, upto, visitor)
	}
	if err := l.parent.PassBy(ctx, resource, namespace, after, min(upto, l.point), visitor); err != nil || upto <= l.point {
		return err
	}
	return l.Projection.PassBy(ctx, resource, namespace, l.point, upto, func() func(*events.Sighting) error {
		visit := visitor()
		return func(s *events.Sighting) error {
			s.Shown = s.Seq <= l.point
			return visit(s)
		}
	})
}

// Versions are the newest versions of a resource's objects as of a sequence. What
// had ended by the point is the parent's alone.
func (l lineage) Versions(resource proto.Resource, namespace string, seq proto.Seq, among []proto.ObjectKey) ([]events.VersionAt, error) {
	own, err := l.of(seq).Versions(resource, namespace, seq, among)
	if err != nil || !l.behind() || seq < l.point {
		return own, err
	}
	out, err := l.parent.Versions(resource, namespace, l.point, among)
	if err != nil {
		return nil, err
	}
	known := make(map[proto.ObjectKey]bool, len(own))
	for _, v := range own {
		known[v.Key] = true
	}
	out = append(slices.DeleteFunc(out, func(v events.VersionAt) bool { return known[v.Key] }), own...)
	slices.SortFunc(out, func(a, b events.VersionAt) int { return events.CompareKeys(a.Key, b.Key) })
	return out, nil
}

// Objects decodes versions of objects that lived.
func (l lineage) Objects(ctx context.Context, versions []events.VersionAt) ([]events.Object, error) {
	if !l.behind() {
		return l.Projection.Objects(ctx, versions)
	}
	out := make([]events.Object, len(versions))
	for _, p := range []*projections.Projection{l.parent, l.Projection} {
		var at []int
		var part []events.VersionAt
		for i, v := range versions {
			if (v.Seq <= l.point) == (p == l.parent) {
				at, part = append(at, i), append(part, v)
			}
		}
		found, err := p.Objects(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, obj := range found {
			out[at[i]] = obj
		}
	}
	return out, nil
}
