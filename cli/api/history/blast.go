package history

import (
	"time"

	"segno/events/explain"
	"segno/proto"
)

// Blast is everything that followed from one change.
type Blast struct {
	// Object is what was asked about; absent when it was a transaction.
	Object *proto.Object `json:"object,omitempty"`
	Seq    proto.Seq     `json:"seq"`
	// Transactions that followed, and the events in them.
	Transactions int     `json:"transactions"`
	Events       int     `json:"events"`
	Counts       []Count `json:"counts"`
	Depth        int     `json:"depth"` // steps to the farthest
	// Newest is the last of them, and Took the time from the change until then.
	Newest     proto.Seq  `json:"newest,omitempty"`
	NewestTime *time.Time `json:"newestTime,omitempty"`
	Took       string     `json:"took,omitempty"`
	// AtLeast tells that there were too many to count.
	AtLeast bool `json:"atLeast,omitempty"`
	// Tree is the change with what followed, as far as it was asked for.
	Tree *Node `json:"tree"`
}

// Count is how often something happened to objects of a kind.
type Count struct {
	Group    string `json:"group,omitempty"`
	Resource string `json:"resource"`
	Fact     string `json:"fact"`
	Count    int    `json:"count"`
}

// Spread shows what explain counted.
func Spread(object *proto.Object, found *explain.Blast) Blast {
	out := Blast{
		Object: object, Seq: found.Root.Transaction.Seq, Transactions: found.Transactions, Events: found.Events,
		Counts: []Count{}, Depth: found.Depth, AtLeast: found.More, Tree: wave(found.Root),
	}
	out.Tree.Own = true
	for _, c := range found.Counts {
		out.Counts = append(out.Counts, Count{Group: c.Resource.Group, Resource: c.Resource.Name, Fact: c.Fact, Count: c.Times})
	}
	if found.Newest != nil {
		out.Newest, out.NewestTime, out.Took = found.Newest.Seq, &found.Newest.At, found.Took.String()
	}
	return out
}

func wave(w *explain.Wave) *Node {
	n := &Node{Transaction: Of(proto.StreamEvents, w.Transaction, nil), LeftOut: w.LeftOut}
	for _, effect := range w.Effects {
		n.Children = append(n.Children, wave(effect))
	}
	return n
}
