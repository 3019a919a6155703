package condition

import (
	"time"

	"segno/events"
	"segno/proto"
)

// Occurrence is one event of one transaction, with its object before and after
// it; both are read only when the expression asks for them.
type Occurrence struct {
	Envelope *proto.Envelope
	Event    *proto.Event
	Before   func() (events.Object, error)
	After    func() (events.Object, error)
}

type lookup = func() (events.Object, error)

// Event is what the variable event is made of.
type Event struct {
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor"`
	Verb   string    `json:"verb"`
	Fact   string    `json:"fact"`
	Reason string    `json:"reason"`
	Cause  int64     `json:"cause"` // sequence; 0 when a request is the cause
	Via    string    `json:"via"`
	Object Subject   `json:"object"`
}

// Subject is the object that an event is about.
type Subject struct {
	Kind      string `json:"kind"`
	Resource  string `json:"resource"`
	Group     string `json:"group"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (o *Occurrence) describe(table *events.Table) *Event {
	env, ev := o.Envelope, o.Event
	out := &Event{
		Seq: int64(env.Seq), Time: env.At, Actor: string(env.Actor), Verb: env.Verb, Fact: ev.Kind, Reason: ev.Reason,
		Cause: int64(env.Cause.Seq), Via: env.Via,
		Object: Subject{Resource: ev.Key.Resource.Name, Group: ev.Key.Group, Namespace: ev.Key.Namespace, Name: ev.Key.Name},
	}
	if kind := table.Of(ev.Key.Resource); kind != nil {
		out.Object.Kind = kind.GVK.Kind
	}
	return out
}
