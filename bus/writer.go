package bus

import (
	"context"
	"errors"
	"time"

	"segno/events"
	"segno/proto"
)

// writer is the decide loop: one goroutine that decides commands in order,
// each on a state that includes all before it, and publishes the transactions
// without waiting for any.
type writer struct {
	seq     *Sequencer
	line    *line
	overlay *events.Overlay
	next    proto.Position // what the next transaction follows
	flights chan flight
	bytes   *gauge
	journal *journal
	epoch   inEpoch // that is written
}

// inEpoch is the epoch that the log is in.
type inEpoch struct {
	part
	stream string
	bytes  int64     // in its stream
	began  time.Time // when its first transaction was made; zero while there is none
}

// flight is what was decided and published in one go.
type flight struct {
	items []decided
	last  proto.Seq // of its last transaction; 0 when there is none
	bytes int
	// settled is closed once everything before it is durable, of a flight that has
	// nothing else; nil otherwise.
	settled chan struct{}
}

// decided is one command with its answer. The answer leaves only when all
// before it and its own transaction are durable.
type decided struct {
	request *request
	answer  answer
	entry   proto.Entry // Envelope is nil when nothing is appended
}

func newWriter(ctx context.Context, s *Sequencer, line *line, log *journal) (*writer, error) {
	epoch, err := s.written(ctx, log)
	return &writer{
		seq:     s,
		line:    line,
		overlay: events.NewOverlay(s.cfg.Table, s.cfg.Fold.View()),
		next:    s.cfg.Fold.Position(),
		flights: make(chan flight, flightsWaiting),
		bytes:   newGauge(bytesUnderWay),
		journal: log,
		epoch:   epoch,
	}, err
}

// run decides until ctx ends or the connection fails. What it published is
// the commit loop's to answer; closing flights tells it that no more comes.
func (w *writer) run(ctx context.Context) error {
	defer close(w.flights)
	for {
		var err error
		select {
		case first := <-w.seq.requests:
			if err = w.take(first); err == nil && w.due() {
				err = w.roll(ctx)
			}
		case r := <-w.seq.rolls:
			err = w.rollFor(ctx, r)
		case <-w.seq.stopped: // the commit loop has given up
			return nil
		case <-ctx.Done():
			return nil
		}
		if errors.Is(err, errHalted) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take decides the command and those that wait behind it.
func (w *writer) take(first *request) error {
	w.overlay.Rebase(w.seq.cfg.Fold.View())
	f := flight{items: make([]decided, 0, 1+min(len(w.seq.requests), flightLength))}
	publish := func(d decided, last bool) error {
		return w.line.publish(proto.LogSubject(w.epoch.stream, firstKey(d.entry.Envelope)), d.entry, last)
	}
	var held *decided // published when it is known whether it is the flight's last
	for r := first; r != nil; r = w.more(&f) {
		d := w.decide(r)
		f.items = append(f.items, d)
		if d.entry.Envelope == nil {
			continue
		}
		f.last = d.entry.Envelope.Seq
		f.bytes += len(d.entry.Encoded)
		if held != nil {
			if err := publish(*held, false); err != nil {
				return err
			}
		}
		held = &f.items[len(f.items)-1]
	}
	if held != nil {
		if err := publish(*held, true); err != nil {
			return err
		}
	}
	w.bytes.add(f.bytes)
	w.epoch.bytes += int64(f.bytes)
	w.flights <- f // the commit loop takes them all, to the end
	return nil
}

// more is the next waiting command of this flight, or nil.
func (w *writer) more(f *flight) *request {
	if len(f.items) == cap(f.items) || f.bytes > bytesUnderWay/4 {
		return nil
	}
	select {
	case r := <-w.seq.requests:
		return r
	default:
		return nil
	}
}

// decide answers one command on the newest state and, when it changes
// something, makes its transaction.
func (w *writer) decide(r *request) decided {
	at := time.Now().UTC()
	if !at.After(w.next.At) {
		at = w.next.At.Add(1)
	}
	decision, err := w.seq.cfg.Decide(w.seq.cfg.Table, w.overlay, r.cmd, at)
	if err != nil {
		return decided{request: r, answer: answer{err: err}}
	}
	outcome := events.Outcome{
		Object:   decision.Object,
		Created:  decision.Created,
		Deleted:  decision.Deleted,
		Warnings: decision.Warnings,
	}
	if r.cmd.DryRun || len(decision.Events) == 0 {
		return decided{request: r, answer: answer{outcome: outcome}}
	}
	env := w.envelope(r.cmd, decision, at)
	encoded := proto.Encode(env)
	if len(encoded) > proto.MaxEnvelope {
		return decided{request: r, answer: answer{err: tooLarge(len(encoded))}}
	}
	w.overlay.Push(env.Seq, decision) // gives the objects their version
	outcome.Seq = env.Seq
	entry := proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
	w.next = proto.Position{Seq: env.Seq, Hash: entry.Hash, Term: env.Term, At: at}
	if w.epoch.began.IsZero() {
		w.epoch.began = at
	}
	w.seq.recent.put(env.Seq, env.Correlation)
	return decided{request: r, answer: answer{outcome: outcome}, entry: entry}
}

func (w *writer) envelope(cmd events.Command, decision events.Decision, at time.Time) *proto.Envelope {
	env := &proto.Envelope{
		Seq:    w.next.Seq + 1,
		Epoch:  w.epoch.number,
		Term:   w.next.Term,
		At:     at,
		Actor:  cmd.Actor,
		Verb:   decision.Verb,
		Via:    cmd.Via,
		Prev:   w.next.Hash,
		Events: decision.Events,
	}
	if elect, ok := cmd.Action.(events.Elect); ok {
		env.Term = elect.Term
	}
	env.Cause, env.Correlation = w.seq.root(cmd.Cause, cmd.Correlation, w.next.Seq)
	return env
}

// firstKey is the object that gives a transaction its subject.
func firstKey(env *proto.Envelope) proto.ObjectKey { return env.Events[0].Key }
