package history

import (
	"encoding/json"
	"fmt"
	"time"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Transaction is one entry of the log: all or nothing.
type Transaction struct {
	Stream      string      `json:"stream"`
	Seq         proto.Seq   `json:"seq"`
	Time        time.Time   `json:"time"`
	Actor       proto.Actor `json:"actor"`
	Verb        string      `json:"verb"`
	Via         string      `json:"via,omitempty"`   // what the person typed, or the component
	Cause       proto.Seq   `json:"cause,omitempty"` // transaction that led to this one
	Request     string      `json:"request,omitempty"`
	Correlation string      `json:"correlation,omitempty"`
	Events      []Event     `json:"events"`
}

// Event is one fact about one object.
type Event struct {
	Fact    string          `json:"fact"`
	Reason  string          `json:"reason,omitempty"`
	Detail  string          `json:"detail,omitempty"` // of ContainerWaiting: what for
	Object  proto.Object    `json:"object"`
	UID     string          `json:"uid,omitempty"`
	Section string          `json:"section"`          // spec, status, gone or mark
	Body    json.RawMessage `json:"body,omitempty"`   // the section as it is after the change, when asked for
	Sealed  bool            `json:"sealed,omitempty"` // the body is there but cannot be read
}

// Of shows an envelope; keep chooses among its events (nil keeps all).
func Of(stream string, env *proto.Envelope, keep func(*proto.Event) bool) Transaction {
	out := Transaction{
		Stream: stream, Seq: env.Seq, Time: env.At, Actor: env.Actor, Verb: env.Verb, Via: env.Via,
		Cause: env.Cause.Seq, Request: env.Cause.Request, Correlation: env.Correlation, Events: []Event{},
	}
	for i := range env.Events {
		if ev := &env.Events[i]; keep == nil || keep(ev) {
			out.Events = append(out.Events, eventOf(ev))
		}
	}
	return out
}

func eventOf(ev *proto.Event) Event {
	return Event{Fact: ev.Kind, Reason: ev.Reason, Detail: waitingFor(ev), Object: proto.ObjectOf(ev.Key), UID: ev.UID, Section: ev.Section.Name()}
}

// Render makes the section that an event carries readable. It answers nil for
// an event without a body, and an error for one that cannot be read.
func Render(table *events.Table, ev *proto.Event) (json.RawMessage, error) {
	if len(ev.Body) == 0 {
		return nil, nil
	}
	kind := table.Of(ev.Key.Resource)
	if kind == nil || ev.Encoding != proto.EncodingProtobuf {
		return nil, fmt.Errorf("render %s of %s: encoding %d of this resource cannot be read here", ev.Kind, ev.Key, ev.Encoding)
	}
	obj, err := kind.Decode(events.Sections{Spec: ev.Body})
	if err != nil {
		return nil, fmt.Errorf("render %s of %s: %w", ev.Kind, ev.Key, err)
	}
	shown, err := fields.Of(obj)
	if err != nil {
		return nil, err
	}
	if ev.Section == proto.SectionStatus {
		shown = map[string]any{"status": shown["status"]}
	} else {
		delete(shown, "status")
	}
	return json.Marshal(shown)
}
