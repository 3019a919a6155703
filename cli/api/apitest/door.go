package apitest

import (
	"context"
	"sync"
	"time"

	"segno/events"
	"segno/projections"
	"segno/proto"
)

// Door is the one way into a log, without the bus: it decides, encodes and
// folds, one command at a time.
type Door struct {
	table *events.Table
	fold  *projections.Projection
	clock func() time.Time

	mu       sync.Mutex
	last     time.Time
	commands []events.Command // what was submitted, in order
}

// Submit decides the command and answers once it is folded.
func (d *Door) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return events.Outcome{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commands = append(d.commands, cmd)
	at := d.now()
	overlay := events.NewOverlay(d.table, d.fold.View())
	decision, err := events.Decide(d.table, overlay, cmd, at)
	if err != nil {
		return events.Outcome{}, err
	}
	out := events.Outcome{Created: decision.Created, Deleted: decision.Deleted, Warnings: decision.Warnings}
	if len(decision.Events) > 0 {
		position := d.fold.Position()
		out.Seq = position.Seq + 1
		overlay.Push(out.Seq, decision)
		env := &proto.Envelope{
			Seq: out.Seq, Term: 1, At: at, Actor: cmd.Actor, Verb: decision.Verb, Cause: cmd.Cause,
			Correlation: cmd.Correlation, Via: cmd.Via, Prev: position.Hash, Events: decision.Events,
		}
		encoded := proto.Encode(env)
		if err := d.fold.Commit([]proto.Entry{{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}}, nil); err != nil {
			return events.Outcome{}, err
		}
	}
	out.Object = decision.Object
	return out, nil
}

// now is never before what it was.
func (d *Door) now() time.Time {
	at := d.clock().UTC()
	if !at.After(d.last) {
		at = d.last.Add(time.Nanosecond)
	}
	d.last = at
	return at
}

// Commands answers what was submitted, in order.
func (d *Door) Commands() []events.Command {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]events.Command(nil), d.commands...)
}
