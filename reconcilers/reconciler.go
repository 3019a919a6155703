package reconcilers

import (
	"time"

	"segno/events"
	"segno/proto"
)

// Key is what a reconciler looks at: mostly an object, which may be gone by
// now. A reconciler with one key for everything leaves the name empty.
type Key = proto.ObjectKey

// Reconciler compares what is wanted with what is, for one key at a time.
// It is pure: the same view, key and time give the same decision.
type Reconciler interface {
	// Name is the component: "deployment". Its actor is "system:deployment".
	Name() string
	// Watches says which changes are worth a look, and at what.
	Watches() []Watch
	// Reconcile decides what to do about the key. At a fixed point the decision
	// is empty. An error means that the view could not be read.
	Reconcile(view events.View, key Key, at time.Time) (Decision, error)
}

// Refuser is a Reconciler that has something to say when commands of one
// decision of its own were refused for good. Without it the loop writes Warning
// notes.
type Refuser interface {
	Refused(view events.View, key Key, refusals []Refusal, at time.Time) (Decision, error)
}

// Refusal is a command that was refused, and why. It carries one action, as a
// refused Batch is taken apart first, unless it is Whole.
type Refusal struct {
	Command events.Command
	Err     error
}

// Watch says which changes concern a reconciler.
type Watch struct {
	Resource proto.Resource
	// Keys answers what to look at after a change: nothing when the change does
	// not matter. It is pure; nil is the changed object itself.
	Keys func(view events.View, change *Change) ([]Key, error)
	// Settle is how long to wait for further changes before looking: what comes
	// in a burst is then looked at once. 0 looks at once.
	Settle time.Duration
}

// Command is one transaction that a reconciler wants.
type Command struct {
	events.Command
	// Whole says that the actions of a Batch rely on one another: all or none.
	// Otherwise a Batch is for speed only: when it is not accepted, its halves
	// are tried.
	Whole bool
}

// Decision is what a reconciler wants done.
type Decision struct {
	// Commands are submitted one after the other, each a transaction; the first
	// one that is not accepted ends it. The loop fills in who and why.
	Commands []Command
	// Unordered says that no command needs another: they are submitted side by
	// side, and one that is not accepted does not end the others.
	Unordered bool
	// Notes are told once the commands are accepted.
	Notes []Note
	// After asks for another look after this time; 0 for none.
	After time.Duration
}

// Do appends a command, which starts with the given action; several make one
// transaction, unless one of them is not accepted. None is no command.
func (d *Decision) Do(reason string, actions ...events.Action) {
	d.add(reason, actions, false)
}

// DoWhole is Do for actions that rely on one another: none of them is done
// without the others.
func (d *Decision) DoWhole(reason string, actions ...events.Action) {
	d.add(reason, actions, true)
}

func (d *Decision) add(reason string, actions []events.Action, whole bool) {
	if len(actions) == 0 {
		return
	}
	action := actions[0]
	if len(actions) > 1 {
		action = events.Batch(actions)
	}
	d.Commands = append(d.Commands, Command{Command: events.Command{Action: action, Reason: reason}, Whole: whole})
}

// Look asks for another look in the given time, or earlier when asked before.
func (d *Decision) Look(in time.Duration) {
	if in <= 0 {
		in = time.Millisecond
	}
	if d.After == 0 || in < d.After {
		d.After = in
	}
}
