package bisect

import (
	"context"
	"errors"
	"iter"

	"segno/events"
	"segno/events/condition"
	"segno/proto"
)

// Log is the log as a search needs it. Sequences are its own.
type Log interface {
	Past
	Lists
	// Events yields the transactions from and to, both included.
	Events(ctx context.Context, from, to proto.Seq) iter.Seq2[*proto.Envelope, error]
	// ChangedAt are the transactions behind after, up to upto, that changed an object.
	ChangedAt(key proto.ObjectKey, after, upto proto.Seq) ([]proto.Seq, error)
}

// Past is what of a log tells how an object was before and after a transaction.
type Past interface {
	// At is the state after a transaction.
	At(seq proto.Seq) (events.View, error)
}

// Lists is what of a log tells of many objects at once.
type Lists interface {
	// PassBy shows the versions of a resource's objects from after up to upto, both
	// included: of each object what stood after the transaction after, then what
	// came, oldest first. Each visitor belongs to one goroutine of several.
	PassBy(ctx context.Context, resource proto.Resource, namespace string, after, upto proto.Seq, visitor func() func(*events.Sighting) error) error
	// Versions are the newest versions of a resource's objects as of a sequence, in
	// key order, deletions included; among, unless it is nil, are the only ones asked
	// about.
	Versions(resource proto.Resource, namespace string, seq proto.Seq, among []proto.ObjectKey) ([]events.VersionAt, error)
	// Objects decodes versions of objects that lived.
	Objects(ctx context.Context, versions []events.VersionAt) ([]events.Object, error)
}

// Search says what to look for, and where.
type Search struct {
	When     *condition.Condition
	From, To proto.Seq // transactions to look at, both included
	Scan     bool      // look at every transaction: assume nothing
	Stopped  bool      // look for the first at which it stopped being true
}

// Method is how an answer was found.
type Method string

// The methods.
const (
	ByRevisions Method = "revisions" // at every change of the objects that it names: exact
	ByHalves    Method = "binary"    // by halves, as if it became true once
	ByScan      Method = "scan"      // at every transaction, or every version of an object, that may matter: exact
)

// Answer is what a search found.
type Answer struct {
	Method Method
	// Already tells that it was so before the first transaction looked at; Ended is
	// then the first at which it was not so any more, 0 when there was none.
	Already bool
	Ended   proto.Seq
	// Found is the transaction at which it became so, 0 when it did not.
	Found  proto.Seq
	Event  int // the event of it that the condition is true of; -1 when it is about states
	Looked int // how often the condition, or what it says of one object, was looked at
}

// ErrStopped says that an event cannot stop being true.
var ErrStopped = errors.New("what is asked of an event is true of it alone: it does not stop being true; search for states, or for another event")

// Find looks for the first transaction at which the condition became true.
func Find(ctx context.Context, log Log, s Search) (Answer, error) {
	f := &finder{log: log, search: s, depends: s.When.Depends()}
	f.answer.Event = -1
	err := f.find(ctx)
	return f.answer, err
}

type finder struct {
	log     Log
	search  Search
	depends condition.Depends
	answer  Answer
}

func (f *finder) find(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err != nil:
		return err
	case f.depends.Event && f.search.Stopped:
		return ErrStopped
	case f.depends.Event:
		return f.scanEvents(ctx)
	case f.depends.Constant():
		return f.revisions(ctx)
	}
	if done, err := f.tallied(ctx); done || err != nil {
		return err
	}
	now, err := newStanding(ctx, f.log, f.depends, f.search.From-1)
	if err != nil {
		return err
	}
	if f.answer.Already, err = f.holds(ctx, now); err != nil {
		return err
	}
	if f.answer.Already || f.search.Scan {
		return f.scanStates(ctx, now)
	}
	return f.halves(ctx, now)
}

// holds tells whether a state is what is looked for.
func (f *finder) holds(ctx context.Context, state condition.State) (bool, error) {
	f.answer.Looked++
	truth, err := f.search.When.Holds(ctx, state, nil)
	return truth != f.search.Stopped, err
}

// turn takes the truth after a transaction in order, and tells whether the
// search is over.
func (f *finder) turn(seq proto.Seq, truth bool) (over bool) {
	switch waits := f.answer.Already && f.answer.Ended == 0; {
	case waits && !truth:
		f.answer.Ended = seq
	case !waits && truth:
		f.answer.Found = seq
		return true
	}
	return false
}
