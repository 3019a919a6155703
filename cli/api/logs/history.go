package logs

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

var _ api.History = (*Logs)(nil)

// Revisions implements api.History.
func (l *Logs) Revisions(_ context.Context, kind *events.Kind, key proto.ObjectKey, last proto.Seq, limit int) ([]history.Version, error) {
	found, err := l.of(kind).History(key, last, limit)
	if err != nil {
		return nil, status(err)
	}
	out := make([]history.Version, len(found))
	for i, r := range found {
		out[i] = history.Version{Record: r.Record, Envelope: r.Envelope}
	}
	return out, nil
}

// Envelope implements api.History.
func (l *Logs) Envelope(_ context.Context, stream string, seq proto.Seq) (*proto.Envelope, error) {
	fold := l.logs[stream].Fold
	if fold == nil {
		return nil, fmt.Errorf("read transaction %s of %s: there is no such log", seq, stream)
	}
	env, err := fold.Envelope(seq)
	if errors.Is(err, projections.ErrTooOld) || errors.Is(err, projections.ErrFuture) {
		return nil, nil
	}
	return env, status(err)
}

// Events implements api.History.
func (l *Logs) Events(ctx context.Context, stream string, from proto.Seq, follow bool) iter.Seq2[*proto.Envelope, error] {
	return onward(ctx, l.logs[stream].Fold, span{stream: stream, from: from, to: projections.Newest, follow: follow},
		func(fold *projections.Projection, from, to proto.Seq) iter.Seq2[*proto.Envelope, error] {
			return fold.Events(ctx, from, to)
		})
}

// Verify implements api.History: every log, EVENTS first.
func (l *Logs) Verify(ctx context.Context, at proto.Seq, report func(history.Verification)) error {
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		fold := l.logs[stream].Fold
		if fold == nil {
			continue
		}
		last := history.Verification{Stream: stream}
		found, err := fold.Verify(ctx, func(done, total int) {
			last.Done, last.Total = done, total
			report(last)
		})
		if err != nil {
			return fmt.Errorf("verify %s: %w", stream, err)
		}
		result := &history.Result{
			Seq: found.Position.Seq, Hash: found.Position.Hash.String(), StateHash: found.StateHash.String(),
			Events: found.Events, Rows: found.Rows,
		}
		if at > 0 && stream == proto.StreamEvents {
			then, err := fold.StateHashAt(at)
			if err != nil {
				return fmt.Errorf("verify %s: %w", stream, err)
			}
			result.At, result.AtHash = at, then.String()
		}
		if found.Problem != nil {
			result.Problem = found.Problem.String()
		}
		last.Result = result
		report(last)
	}
	return nil
}
