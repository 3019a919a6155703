package events

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"segno/proto"
)

// The verbs of transactions.
const (
	VerbCreate = "create"
	VerbUpdate = "update"
	VerbPatch  = "patch"
	VerbDelete = "delete"
	VerbBind   = "bind"
	VerbElect  = "elect"
	VerbBatch  = "batch" // several actions with different verbs
)

// ErrPanic is wrapped by what Decide answers when a rule panicked: the same
// command will do no better.
var ErrPanic = errors.New("panic")

// Decide turns a command into events, or says why not. It is pure: the same
// table, view, command and time always give the same decision, and nothing
// that comes in is written to. A user's mistake is an *apierrors.StatusError;
// in a Batch it is wrapped in a text that names the item. A rule that panics
// refuses its command and no other.
func Decide(table *Table, view View, cmd Command, at time.Time) (decision Decision, err error) {
	defer func() {
		if mistake := recover(); mistake != nil {
			decision, err = Decision{}, fmt.Errorf("decide %s %s: %w: %v\n%s", verbOf(cmd.Action), keyOf(cmd.Action), ErrPanic, mistake, debug.Stack())
		}
	}()
	d := decider{table: table, view: view, cmd: &cmd, at: at}
	if decision, err = d.decide(cmd.Action); err != nil {
		return Decision{}, err
	}
	if cmd.DryRun {
		decision.Events, decision.Touched = nil, nil
	}
	return decision, nil
}

// decider decides one action; a file each holds what it does about Create,
// Update, Patch, Delete, Bind, Elect and Batch.
type decider struct {
	table *Table
	view  View
	cmd   *Command
	at    time.Time
}

func (d *decider) decide(action Action) (Decision, error) {
	switch a := action.(type) {
	case Create:
		return d.create(a)
	case Update:
		return d.update(a)
	case Patch:
		return d.patch(a)
	case Delete:
		return d.delete(a)
	case Bind:
		return d.bind(a)
	case Elect:
		return d.elect(a)
	case Batch:
		return d.batch(a)
	default:
		return Decision{}, fmt.Errorf("decide %T: not an action", action)
	}
}

// find answers the kind of a key's resource and the object that now has the
// key: nil when there is none.
func (d *decider) find(key proto.ObjectKey) (*Kind, Object, error) {
	kind, err := d.kindOf(key)
	if err != nil {
		return nil, nil, err
	}
	obj, err := d.view.Get(key)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", key, err)
	}
	return kind, obj, nil
}

// need is find for an object that must exist.
func (d *decider) need(key proto.ObjectKey) (*Kind, Object, error) {
	kind, obj, err := d.find(key)
	if err == nil && obj == nil {
		err = notFound(kind, key.Name)
	}
	return kind, obj, err
}
