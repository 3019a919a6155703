package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// Render makes the section of an object that an event carries readable: JSON.
type Render func(ev *proto.Event) (json.RawMessage, error)

// What may wait to be published: committed groups, and the bytes in them.
const (
	feedGroups = 256
	feedBytes  = 64 << 20
)

// feed publishes durable events as CloudEvents for plain NATS clients. It is
// a courtesy: it never holds up a write, costs a look-up when nobody listens,
// and leaves out what it cannot keep up with, since all of it can be read from
// the log. The content of Secrets never goes this way.
type feed struct {
	conn    *Conn
	stream  string
	render  Render
	log     *slog.Logger
	groups  chan feedGroup
	waiting atomic.Int64 // bytes
	dropped atomic.Uint64
}

type feedGroup struct {
	envelopes []*proto.Envelope
	bytes     int64
}

// CloudEvent is one event in the feed: a CloudEvent 1.0 in structured mode.
type CloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`      // <log>/<sequence>/<place in the transaction>
	Source          string    `json:"source"`  // segno/<log>
	Type            string    `json:"type"`    // segno.<kind of event>
	Subject         string    `json:"subject"` // the object: pods/default/web
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Sequence        string    `json:"sequence"`
	Data            FeedData  `json:"data"`
}

// FeedData is what happened, in a CloudEvent of the feed.
type FeedData struct {
	Kind        string          `json:"kind"`
	Reason      string          `json:"reason,omitempty"`
	Actor       proto.Actor     `json:"actor"`
	Verb        string          `json:"verb"`
	Cause       string          `json:"cause,omitempty"` // a sequence, or the id of the request
	Correlation string          `json:"correlation"`
	UID         string          `json:"uid,omitempty"`
	Section     string          `json:"section"`
	Object      json.RawMessage `json:"object,omitempty"` // the section after the change
	Body        []byte          `json:"body,omitempty"`   // its bytes, when it cannot be shown as JSON
}

func newFeed(conn *Conn, stream string, render Render, log *slog.Logger) *feed {
	return &feed{conn: conn, stream: stream, render: render, log: log, groups: make(chan feedGroup, feedGroups)}
}

// offer hands over what has just become durable; it never waits.
func (f *feed) offer(entries []proto.Entry) {
	group := feedGroup{envelopes: make([]*proto.Envelope, len(entries))}
	for i := range entries {
		group.envelopes[i] = entries[i].Envelope
		group.bytes += int64(len(entries[i].Encoded))
	}
	if f.waiting.Add(group.bytes) <= feedBytes {
		select {
		case f.groups <- group:
			return
		default:
		}
	}
	f.waiting.Add(-group.bytes)
	f.dropped.Add(uint64(len(entries)))
}

// run publishes until ctx ends.
func (f *feed) run(ctx context.Context) error {
	for {
		select {
		case group := <-f.groups:
			for _, env := range group.envelopes {
				f.transaction(env)
			}
			f.waiting.Add(-group.bytes)
			if n := f.dropped.Swap(0); n > 0 {
				f.log.Warn("the feed left out transactions: its followers are too slow", "count", n)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *feed) transaction(env *proto.Envelope) {
	for i := range env.Events {
		ev := &env.Events[i]
		subject := proto.FeedSubject(ev.Key)
		if !f.conn.server.wanted(subject) {
			continue
		}
		data, err := json.Marshal(f.event(env, i))
		if err == nil {
			err = f.conn.nc.PublishMsg(&nats.Msg{
				Subject: subject,
				Header:  nats.Header{"content-type": {"application/cloudevents+json; charset=utf-8"}},
				Data:    data,
			})
		}
		if err != nil {
			f.log.Warn("publish in the feed", "sequence", env.Seq, "subject", subject, "error", err)
		}
	}
}

func (f *feed) event(env *proto.Envelope, i int) CloudEvent {
	ev := &env.Events[i]
	data := FeedData{
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
	if len(ev.Body) > 0 && !slices.Contains(secret, ev.Key.Resource) {
		data.Object, data.Body = f.body(ev)
	}
	return CloudEvent{
		SpecVersion:     "1.0",
		ID:              fmt.Sprintf("%s/%s/%d", f.stream, env.Seq, i),
		Source:          "segno/" + f.stream,
		Type:            "segno." + ev.Kind,
		Subject:         ev.Key.String(),
		Time:            env.At,
		DataContentType: "application/json",
		Sequence:        env.Seq.String(),
		Data:            data,
	}
}

// secret are the resources whose content only the API shows, to those who may.
var secret = []proto.Resource{{Name: "secrets"}}

func (f *feed) body(ev *proto.Event) (json.RawMessage, []byte) {
	if f.render != nil && ev.Encoding != proto.EncodingSealed {
		if object, err := f.render(ev); err == nil {
			return object, nil
		}
	}
	return nil, ev.Body
}
