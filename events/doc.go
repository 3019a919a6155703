// Package events is what can happen: the objects, the commands that ask for
// a change, and the rules that turn a command into events.
//
// What comes in: a Command by an authenticated actor, a View of the cluster,
// and the time as data. What goes out: a Decision (the transaction's events and
// the object as it then is), or an error in the Kubernetes Status form.
//
// What never happens here: a clock reading, I/O, a goroutine, NATS or Pebble.
// The same inputs always give the same events.
//
// Start with command.go (what can be asked), then decide.go (how it is
// answered; create.go, update.go, patch.go, delete.go, bind.go and batch.go
// hold an action each, conclude.go turns before and after into events),
// wire.go and fact.go (what an event is), record.go and apply.go (how events
// are folded), view.go and overlay.go (what a decision looks at), body.go (how
// objects come in), and kind.go (what the table knows of each kind; the table
// itself is package events/kinds).
package events
