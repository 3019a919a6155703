package world

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
	"segno/reconcilers"
)

// World stands in for the sequencer and the projection. It implements the
// interfaces that a loop needs: Feed, Views and Submitter.
type World struct {
	Table *events.Table
	// Refuse, when set, is asked first whether a command is to fail. It may
	// Submit: that comes before the command.
	Refuse func(cmd events.Command) error
	// Committed, when set, is told of every transaction and of every refusal.
	Committed func(tx Transaction)

	mu        sync.Mutex
	now       *state
	changes   []events.Change // of the EVENTS log
	grown     chan struct{}   // closed at the next change
	observers []func(events.Change) error
}

// Transaction is what became of one command.
type Transaction struct {
	Stream string
	Seq    proto.Seq // 0 when nothing changed
	At     time.Time
	Cmd    events.Command
	Events []proto.Event
	Before map[proto.ObjectKey]events.Object
	After  map[proto.ObjectKey]events.Object
	Err    error
}

// state is the cluster at one moment; a view shares it, so it is copied before
// it changes.
type state struct {
	seqs    map[string]proto.Seq
	records map[proto.ObjectKey]*events.Record
	objects map[proto.ObjectKey]events.Object

	listing sync.Mutex
	lists   map[proto.Resource][]events.Object // sorted; made when asked for, under listing
}

// New makes an empty world.
func New() *World {
	return &World{
		Table: kinds.Table(),
		now: &state{
			seqs:    map[string]proto.Seq{},
			records: map[proto.ObjectKey]*events.Record{},
			objects: map[proto.ObjectKey]events.Object{},
			lists:   map[proto.Resource][]events.Object{},
		},
		grown: make(chan struct{}),
	}
}

func (s *state) next() *state {
	return &state{
		seqs: maps.Clone(s.seqs), records: maps.Clone(s.records), objects: maps.Clone(s.objects),
		lists: map[proto.Resource][]events.Object{},
	}
}

// Submit decides the command and folds what comes of it.
func (w *World) Submit(_ context.Context, cmd events.Command) (events.Outcome, error) {
	var refusal error
	if w.Refuse != nil {
		refusal = w.Refuse(cmd)
	}
	tx, outcome, observers := w.commit(cmd, refusal)
	if w.Committed != nil && (tx.Seq > 0 || tx.Err != nil) {
		w.Committed(tx.Transaction)
	}
	for _, change := range tx.changes {
		for _, observe := range observers {
			if err := observe(change); err != nil {
				return outcome, fmt.Errorf("observe %s: %w", change.Event.Key, err)
			}
		}
	}
	return outcome, tx.Err
}

type committed struct {
	Transaction
	changes []events.Change
}

func (w *World) commit(cmd events.Command, refusal error) (tx committed, outcome events.Outcome, observers []func(events.Change) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tx.Cmd, tx.At, tx.Stream = cmd, time.Now(), w.streamOf(cmd.Action)
	decision, err := events.Decision{}, refusal
	if err == nil {
		decision, err = events.Decide(w.Table, &View{table: w.Table, state: w.now, stream: tx.Stream}, tx.Cmd, tx.At)
	}
	if err != nil {
		tx.Err = err
		return tx, outcome, nil
	}
	outcome = events.Outcome{Object: decision.Object, Created: decision.Created, Deleted: decision.Deleted, Warnings: decision.Warnings}
	if len(decision.Events) == 0 || cmd.DryRun {
		return tx, outcome, nil
	}
	next := w.now.next()
	next.seqs[tx.Stream]++
	tx.Seq, tx.Events = next.seqs[tx.Stream], decision.Events
	outcome.Seq = tx.Seq
	tx.Before, tx.After = map[proto.ObjectKey]events.Object{}, map[proto.ObjectKey]events.Object{}
	for _, ev := range decision.Events {
		tx.changes = append(tx.changes, w.fold(next, &tx.Transaction, ev))
	}
	w.now = next
	if tx.Stream != proto.StreamEvents {
		tx.changes = nil
		return tx, outcome, nil
	}
	w.changes = append(w.changes, tx.changes...)
	close(w.grown)
	w.grown = make(chan struct{})
	return tx, outcome, w.observers
}

// fold applies one event to the state to come.
func (w *World) fold(next *state, tx *Transaction, ev proto.Event) events.Change {
	before := next.records[ev.Key]
	after := events.Apply(before, &ev, tx.Seq, tx.At)
	if _, seen := tx.Before[ev.Key]; !seen {
		tx.Before[ev.Key] = next.objects[ev.Key]
	}
	next.records[ev.Key] = after
	delete(next.objects, ev.Key)
	if after != nil && !after.Deleted {
		obj, err := w.Table.Decode(after)
		if err != nil {
			panic(err) // what Decide has encoded decodes
		}
		next.objects[ev.Key] = obj
	}
	tx.After[ev.Key] = next.objects[ev.Key]
	return events.Change{
		Seq: tx.Seq, At: tx.At, Actor: tx.Cmd.Actor, Correlation: tx.Cmd.Correlation, Event: ev, Before: before, After: after,
	}
}

func (w *World) streamOf(action events.Action) string {
	if keys := reconcilers.Targets(action); len(keys) > 0 {
		if kind := w.Table.Of(keys[0].Resource); kind != nil {
			return kind.Stream
		}
	}
	return proto.StreamEvents
}

// Observe has a function called with every change from now on.
func (w *World) Observe(observe func(events.Change) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observers = append(w.observers, observe)
}

// Forget ends all Observe.
func (w *World) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observers = nil
}

// Watch implements reconcilers.Feed.
func (w *World) Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	return func(yield func(events.Change, error) bool) {
		for done := 0; ; {
			w.mu.Lock()
			changes, grown := w.changes[done:], w.grown
			w.mu.Unlock()
			done += len(changes)
			for _, change := range changes {
				if change.Seq > after && slices.Contains(resources, change.Event.Key.Resource) && !yield(change, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-grown:
			}
		}
	}
}
