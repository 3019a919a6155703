package sandbox

import (
	"context"
	"errors"
	"iter"
	"time"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/cli/api/logs"
	"segno/events"
	"segno/proto"
)

// past is the past of a sandbox: its own, and before it that of the cluster that
// it comes from, up to where it began. Both are only read.
type past struct {
	*logs.Logs
	parent *logs.Logs
	points map[string]proto.Seq // by stream: the last transaction of the parent's
	begun  time.Time
}

var (
	_ api.History    = (*past)(nil)
	_ api.Store      = (*past)(nil)
	_ api.Beginnings = (*past)(nil)
)

var errReadOnly = errors.New("the past is read-only")

// newPast reads the parent's logs, without a door to them.
func newPast(own *logs.Logs, from Source, points map[string]proto.Seq) (*past, error) {
	all := map[string]logs.Log{}
	for stream, fold := range from.Folds {
		all[stream] = logs.Log{Fold: fold, Submit: func(context.Context, events.Command) (events.Outcome, error) {
			return events.Outcome{}, errReadOnly
		}}
	}
	for _, stream := range streams {
		if from.Folds[stream] == nil {
			return &past{Logs: own, points: map[string]proto.Seq{}}, nil // a parent of some logs only: for tests
		}
	}
	parent, err := logs.New(logs.Config{Name: "parent", Table: from.Table, Logs: all})
	return &past{Logs: own, parent: parent, points: points, begun: from.Time}, err
}

// At implements api.Store.
func (p *past) At(ctx context.Context, kind *events.Kind, seq proto.Seq) (events.View, error) {
	if p.parent != nil && seq < p.points[kind.Stream] {
		return p.parent.At(ctx, kind, seq)
	}
	return p.Logs.At(ctx, kind, seq)
}

// Resolve implements api.Store.
func (p *past) Resolve(ctx context.Context, kind *events.Kind, moment api.Moment) (proto.Seq, time.Time, error) {
	earlier := moment.Seq == 0 && moment.Time.Before(p.begun) || moment.Seq != 0 && moment.Seq <= p.points[proto.StreamEvents]
	if p.parent != nil && earlier {
		return p.parent.Resolve(ctx, kind, moment)
	}
	return p.Logs.Resolve(ctx, kind, moment)
}

// Revisions implements api.History.
func (p *past) Revisions(ctx context.Context, kind *events.Kind, key proto.ObjectKey, last proto.Seq, limit int) ([]history.Version, error) {
	found, err := p.Logs.Revisions(ctx, kind, key, last, limit)
	point := p.points[kind.Stream]
	if err != nil || p.parent == nil || point == 0 || limit > 0 && len(found) >= limit {
		return found, err
	}
	if limit > 0 {
		limit -= len(found)
	}
	before, err := p.parent.Revisions(ctx, kind, key, min(last, point), limit)
	return append(found, before...), err
}

// Beginning implements api.Beginnings: what a fork begins with is what transactions
// of its parent made.
func (p *past) Beginning(ctx context.Context, kind *events.Kind, key proto.ObjectKey) (*events.Record, error) {
	if p.parent != nil && p.points[kind.Stream] > 0 {
		return p.parent.Beginning(ctx, kind, key)
	}
	return p.Logs.Beginning(ctx, kind, key)
}

// Envelope implements api.History.
func (p *past) Envelope(ctx context.Context, stream string, seq proto.Seq) (*proto.Envelope, error) {
	if p.parent != nil && seq <= p.points[stream] {
		return p.parent.Envelope(ctx, stream, seq)
	}
	return p.Logs.Envelope(ctx, stream, seq)
}

// Events implements api.History.
func (p *past) Events(ctx context.Context, stream string, from proto.Seq, follow bool) iter.Seq2[*proto.Envelope, error] {
	point := p.points[stream]
	return func(yield func(*proto.Envelope, error) bool) {
		if p.parent != nil && from <= point {
			for env, err := range p.parent.Events(ctx, stream, from, false) {
				if err == nil && env.Seq > point {
					break
				}
				if !yield(env, err) || err != nil {
					return
				}
			}
			from = point + 1
		}
		p.Logs.Events(ctx, stream, from, follow)(yield)
	}
}
