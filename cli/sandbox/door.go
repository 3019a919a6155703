package sandbox

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/projections"
	"segno/proto"
)

// door is the one way for writes into one log of a sandbox: it decides one
// command after the other on the newest state, and folds what comes of it.
type door struct {
	table  *events.Table
	fold   *projections.Projection
	causes *projections.Projection // the log in which causes of its commands lie
	clock  *clock

	mu sync.Mutex // held from the decision to the fold: the next one sees it
	// roots are correlations that were looked up: many commands share a cause.
	roots map[proto.Seq]string
}

// mostRoots bounds how many are remembered.
const mostRoots = 1024

// Submit implements reconcilers.Submitter.
func (d *door) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return events.Outcome{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last, at := d.fold.Position(), d.clock.Now()
	if !at.After(last.At) {
		at = last.At.Add(1)
	}
	view := d.fold.View()
	decision, err := events.Decide(d.table, view, cmd, at)
	if err != nil {
		return events.Outcome{}, err
	}
	out := events.Outcome{
		Object: decision.Object, Created: decision.Created, Deleted: decision.Deleted, Warnings: decision.Warnings,
	}
	if cmd.DryRun || len(decision.Events) == 0 {
		return out, nil
	}
	env := &proto.Envelope{
		Seq: last.Seq + 1, Term: last.Term, At: at, Actor: cmd.Actor, Verb: decision.Verb, Via: cmd.Via,
		Prev: last.Hash, Events: decision.Events,
	}
	env.Cause, env.Correlation = d.root(cmd, env.Seq)
	encoded := proto.Encode(env)
	if len(encoded) > proto.MaxEnvelope {
		return events.Outcome{}, apierrors.NewRequestEntityTooLargeError(
			fmt.Sprintf("the transaction has %d bytes, at most %d are allowed", len(encoded), proto.MaxEnvelope))
	}
	events.NewOverlay(d.table, view).Push(env.Seq, decision) // gives the objects their version
	entry := proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
	if err := d.fold.Commit([]proto.Entry{entry}, nil); err != nil {
		return events.Outcome{}, fmt.Errorf("fold transaction %s of a sandbox: %w", env.Seq, err)
	}
	d.clock.set(at) // what has happened is not in the future
	out.Seq = env.Seq
	return out, nil
}

// root answers the cause and the correlation of a command, as the sequencer of a
// real log does, but that it draws nothing at random.
func (d *door) root(cmd events.Command, seq proto.Seq) (proto.Cause, string) {
	cause, correlation := cmd.Cause, cmd.Correlation
	if cause.Seq > d.causes.Position().Seq {
		cause.Seq = 0
	}
	if correlation == "" && cause.Seq >= d.causes.First() && cause.Seq != 0 {
		correlation = d.rootOf(cause.Seq)
	}
	if correlation == "" {
		correlation = cause.Request
	}
	if correlation == "" {
		correlation = "sandbox-" + seq.String()
	}
	if cause.Seq == 0 && cause.Request == "" {
		cause.Request = correlation
	}
	return cause, correlation
}

// rootOf is the correlation of a transaction; "" where it cannot be read.
func (d *door) rootOf(seq proto.Seq) string {
	if known, ok := d.roots[seq]; ok {
		return known
	}
	env, err := d.causes.Envelope(seq)
	if err != nil {
		return ""
	}
	if d.roots == nil || len(d.roots) >= mostRoots {
		d.roots = map[proto.Seq]string{}
	}
	d.roots[seq] = env.Correlation
	return env.Correlation
}
