package history

import (
	"segno/events"
	"segno/proto"
)

// Bisection is where a condition became true, and how that was found.
type Bisection struct {
	When    string    `json:"when"`
	Stopped bool      `json:"stopped,omitempty"` // the first at which it stopped being true was asked for
	From    proto.Seq `json:"from"`              // the transactions looked at, both included
	To      proto.Seq `json:"to"`
	Method  string    `json:"method"` // revisions, binary or scan
	Exact   bool      `json:"exact"`  // nothing was assumed
	Looked  int       `json:"looked"` // how often the condition, or what it says of one object, was looked at
	// Already tells that it was so before From; Ended is the first transaction
	// after which it was not any more.
	Already bool      `json:"already,omitempty"`
	Ended   proto.Seq `json:"ended,omitempty"`
	Found   *Found    `json:"found,omitempty"` // absent when it did not become so
}

// Found is a transaction with what it did, and where it comes from.
type Found struct {
	Transaction
	Event   *int          `json:"event,omitempty"` // the one that a condition on events is true of
	Objects []ObjectState `json:"objects"`
	Root    *Transaction  `json:"root,omitempty"` // the first of its causes; absent when it is that itself
}

// ObjectState is an object that a transaction changed, and what it changed of it.
type ObjectState struct {
	Object  proto.Object `json:"object"`
	Created bool         `json:"created,omitempty"`
	Deleted bool         `json:"deleted,omitempty"`
	Changes []Change     `json:"changes"`
}

// StateOf shows a step as what it did to its object.
func StateOf(table *events.Table, stream string, step Step) (ObjectState, error) {
	line, _, err := LineOf(table, stream, step, Filter{})
	return ObjectState{Object: line.Object, Created: line.Created, Deleted: line.Deleted, Changes: line.Changes}, err
}
