package bus

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"

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
	source  string
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

func newFeed(cfg SequencerConfig, conn *Conn, log *slog.Logger) *feed {
	return &feed{conn: conn, source: cfg.Source, stream: cfg.Stream, render: cfg.Render, log: log, groups: make(chan feedGroup, feedGroups)}
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
		data, err := json.Marshal(proto.CloudEventOf(f.source, f.stream, env, i, f.render))
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
