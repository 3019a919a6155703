package logs

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

var (
	_ api.History = (*Logs)(nil)
	_ api.Causes  = (*Logs)(nil)
)

// Effects implements api.Causes.
func (l *Logs) Effects(_ context.Context, seq proto.Seq) ([]proto.Seq, error) {
	found, err := l.lines[proto.StreamEvents].Effects(seq)
	return found, status(err)
}

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
	fold := l.lines[stream]
	if fold.Projection == nil {
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
	return onward(ctx, l.lines[stream], span{stream: stream, from: from, to: projections.Newest, follow: follow},
		func(fold lineage, from, to proto.Seq) iter.Seq2[*proto.Envelope, error] {
			return fold.Events(ctx, from, to)
		})
}

// Verify implements api.History: every log, EVENTS first.
func (l *Logs) Verify(ctx context.Context, at proto.Seq, report func(history.Verification)) error {
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		log := l.logs[stream]
		if log.Fold == nil {
			continue
		}
		last := history.Verification{Stream: stream}
		result, err := log.verify(ctx, func(done, total int) {
			last.Done, last.Total = done, total
			report(last)
		})
		if err == nil && stream == proto.StreamEvents {
			err = log.services(result)
		}
		if err == nil && at > 0 && stream == proto.StreamEvents {
			err = l.then(result, at)
		}
		if err != nil {
			return fmt.Errorf("verify %s: %w", stream, err)
		}
		last.Result = result
		report(last)
	}
	return nil
}

// services adds what is wrong with the addresses and ports of Services.
func (log Log) services(result *history.Result) error {
	flaws, err := kinds.CheckServices(log.Fold.View())
	if err != nil {
		return fmt.Errorf("check what Services hold: %w", err)
	}
	for _, flaw := range flaws {
		result.Services = append(result.Services, fmt.Sprintf("Service %s: %s: %s", flaw.Service, flaw.Reason, flaw.Message))
	}
	return nil
}

// then adds what EVENTS was at a moment.
func (l *Logs) then(result *history.Result, at proto.Seq) error {
	position, state, err := l.lines[proto.StreamEvents].PositionAt(at)
	if err != nil {
		return err
	}
	result.At, result.AtHash, result.AtChain = at, state.String(), position.Hash.String()
	return nil
}

// verify proves the fold, and with it the log's files.
func (log Log) verify(ctx context.Context, progress func(done, total int)) (*history.Result, error) {
	found, err := log.Fold.Verify(ctx, progress)
	if err != nil {
		return nil, err
	}
	result := &history.Result{
		Seq: found.Position.Seq, Hash: found.Position.Hash.String(), StateHash: found.StateHash.String(),
		Events: found.Events, Redacted: found.Redacted, Rows: found.Rows,
	}
	if found.Problem != nil {
		result.Problem = found.Problem.String()
		return result, nil
	}
	if log.Files == nil {
		return result, nil
	}
	files, err := log.Files(ctx, progress)
	result.Records, result.Restored, result.Archived, result.Problem = files.Records, files.Restored, files.Archived, files.Problem
	return result, err
}
