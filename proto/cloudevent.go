package proto

import (
	"encoding/json"
	"fmt"
	"time"
)

// CloudEvent is a CloudEvent 1.0 in structured mode: how events leave segno, in
// the feed and in exports.
type CloudEvent[Data any] struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`                // <log>/<sequence>/<place in the transaction>; of the audit AUDIT/<id>/<stage>
	Source          string    `json:"source"`            // <source of the cluster>/<log>
	Type            string    `json:"type"`              // segno.<kind of event>; of the audit segno.audit.<stage>
	Subject         string    `json:"subject,omitempty"` // the object: pods/default/web
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Sequence        string    `json:"sequence,omitempty"` // of the transaction; as wide as can be, as the extension wants it: it sorts as text
	Data            Data      `json:"data"`
}

// Happened is what happened, in the CloudEvent of an event of a log.
type Happened struct {
	Kind        string          `json:"kind"`
	Reason      string          `json:"reason,omitempty"`
	Actor       Actor           `json:"actor"`
	Verb        string          `json:"verb"`
	Cause       string          `json:"cause,omitempty"` // a sequence, or the id of the request
	Correlation string          `json:"correlation"`
	UID         string          `json:"uid,omitempty"`
	Section     string          `json:"section"`
	Object      json.RawMessage `json:"object,omitempty"` // the section after the change
	Body        []byte          `json:"body,omitempty"`   // its bytes, when it cannot be shown as JSON
}

// Secret tells whether the content of a resource is only for the API to show, to
// those who may: it is no part of what is published or exported.
func Secret(resource Resource) bool { return resource == Resource{Name: "secrets"} }

// SourceUnnamed is the source of events of a cluster of which no more is known.
const SourceUnnamed = "segno"

// CloudEventOf is one event of a transaction in a log of the source. render makes the section that it
// carries readable; nil leaves its bytes. The content of Secrets never goes this
// way.
func CloudEventOf(source, stream string, env *Envelope, i int, render func(*Event) (json.RawMessage, error)) CloudEvent[Happened] {
	ev := &env.Events[i]
	data := Happened{
		Kind:        ev.Kind,
		Reason:      ev.Reason,
		Actor:       env.Actor,
		Verb:        env.Verb,
		Cause:       env.Cause.Request,
		Correlation: env.Correlation,
		UID:         ev.UID,
		Section:     ev.Section.Name(),
	}
	if env.Cause.Seq != 0 {
		data.Cause = env.Cause.Seq.String()
	}
	if len(ev.Body) > 0 && !Secret(ev.Key.Resource) {
		data.Object, data.Body = readable(ev, render)
	}
	return CloudEvent[Happened]{
		SpecVersion:     "1.0",
		ID:              fmt.Sprintf("%s/%s/%d", stream, env.Seq, i),
		Source:          source + "/" + stream,
		Type:            "segno." + ev.Kind,
		Subject:         ev.Key.String(),
		Time:            env.At,
		DataContentType: "application/json",
		Sequence:        fmt.Sprintf("%020d", uint64(env.Seq)),
		Data:            data,
	}
}

func readable(ev *Event, render func(*Event) (json.RawMessage, error)) (json.RawMessage, []byte) {
	if render != nil && ev.Encoding != EncodingSealed {
		if object, err := render(ev); err == nil {
			return object, nil
		}
	}
	return nil, ev.Body
}

// CloudEventOfAudit is one event of the source's audit.
func CloudEventOfAudit(source string, event *AuditEvent) CloudEvent[*AuditEvent] {
	out := CloudEvent[*AuditEvent]{
		SpecVersion:     "1.0",
		ID:              StreamAudit + "/" + event.AuditID + "/" + string(event.Stage),
		Source:          source + "/" + StreamAudit,
		Type:            "segno.audit." + string(event.Stage),
		Time:            event.StageAt.Time,
		DataContentType: "application/json",
		Data:            event,
	}
	if event.ObjectRef != nil {
		out.Subject = event.ObjectRef.String()
	}
	return out
}
