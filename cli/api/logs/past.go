package logs

import (
	"context"
	"fmt"
	"iter"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

var (
	_ api.Past       = (*Logs)(nil)
	_ api.Beginnings = (*Logs)(nil)
)

// First implements api.Past.
func (l *Logs) First(stream string) proto.Seq {
	fold := l.lines[stream]
	if fold.Projection == nil {
		return 0
	}
	return max(fold.First(), 1)
}

// Changes implements api.Past.
func (l *Logs) Changes(ctx context.Context, stream string, from, to proto.Seq, follow bool, wanted api.Wanted) iter.Seq2[history.Step, error] {
	steps := onward(ctx, l.lines[stream], span{stream: stream, from: from, to: to, follow: follow},
		func(fold lineage, from, to proto.Seq) iter.Seq2[projections.Step, error] {
			return fold.Changes(ctx, from, to, projections.Wanted(wanted))
		})
	return func(yield func(history.Step, error) bool) {
		for s, err := range steps {
			step := history.Step{Version: history.Version{Record: s.Record, Envelope: s.Envelope}, Before: s.Before}
			if !yield(step, err) {
				return
			}
		}
	}
}

// Between implements api.Past.
func (l *Logs) Between(ctx context.Context, stream string, from, to proto.Seq, wanted api.Wanted) iter.Seq2[history.Difference, error] {
	return func(yield func(history.Difference, error) bool) {
		fold := l.lines[stream]
		if fold.Projection == nil {
			yield(history.Difference{}, noLog(stream))
			return
		}
		for d, err := range fold.Between(ctx, from, to, projections.Wanted(wanted)) {
			if !yield(history.Difference(d), status(err)) {
				return
			}
		}
	}
}

// Beginning implements api.Beginnings.
func (l *Logs) Beginning(_ context.Context, kind *events.Kind, key proto.ObjectKey) (*events.Record, error) {
	rec, err := l.of(kind).Beginning(key)
	return rec, status(err)
}

func noLog(stream string) error {
	return fmt.Errorf("read the log %s: there is no such log", stream)
}

// span is a part of a log: from and to are included. Who follows goes on behind
// its end.
type span struct {
	stream   string
	from, to proto.Seq
	follow   bool
}

// onward reads a span of a log, in turns of what there is by then. The last thing
// it yields may be an error.
func onward[T any](ctx context.Context, fold lineage, s span, read func(fold lineage, from, to proto.Seq) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if fold.Projection == nil {
			yield(none, noLog(s.stream))
			return
		}
		end := fold.Position().Seq // asked once: what comes between two answers would be neither read nor told of
		from, last := max(s.from, fold.First(), 1), min(s.to, end)
		sub, err := fold.Subscribe(max(end, from-1), projections.Filter{})
		if err != nil {
			yield(none, status(err))
			return
		}
		defer sub.Close()
		for {
			if from <= last {
				for item, err := range read(fold, from, last) {
					if !yield(item, status(err)) || err != nil {
						return
					}
				}
				from = last + 1
			}
			if !s.follow {
				return
			}
			changes, err := sub.Next(ctx)
			if err != nil {
				yield(none, status(err))
				return
			}
			last = max(last, changes[0].Seq)
		}
	}
}
