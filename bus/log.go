package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"segno/proto"
)

const (
	// notesAge is how long Kubernetes Event objects are kept.
	notesAge = 30 * 24 * time.Hour
	// leasesKept and leasesBytes bound what heartbeats take: their state is in the
	// fold, and nobody reads their past. It is more than can be under way.
	leasesKept  = 16_384
	leasesBytes = 2 * bytesUnderWay
)

// stream is one JetStream stream: a log, or what NATS knows of it.
type stream struct {
	name   string
	memory bool
	conn   *Conn
	js     jetstream.JetStream
}

func newStream(conn *Conn, name string, memory bool) (*stream, error) {
	js, err := jetstream.New(conn.nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &stream{name: name, conn: conn, memory: memory, js: js}, nil
}

func (s *stream) config(first proto.Seq) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        s.name,
		Subjects:    []string{proto.LogSubjects(s.name)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		AllowDirect: true,
		FirstSeq:    uint64(first),
	}
	if s.memory {
		cfg.Storage = jetstream.MemoryStorage
	}
	switch s.name {
	case proto.StreamNotes:
		cfg.MaxAge = notesAge
	case proto.StreamLeases:
		cfg.MaxMsgs, cfg.MaxBytes = leasesKept, leasesBytes
	case proto.StreamAudit:
		cfg.MaxAge, cfg.MaxBytes = auditAge, auditBytes
		cfg.DenyDelete, cfg.DenyPurge = true, true
	default:
		cfg.DenyDelete, cfg.DenyPurge = true, true
	}
	return cfg
}

// ensurePatience is how long the attempts to ask JetStream wait for an answer.
// The first is short: right after the server's start, while other streams are
// opened, an answer may never come. Each attempt finds what the one
// before made.
var ensurePatience = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second}

// ensure makes the stream if there is none, so that the next sequence is
// first, and answers its extent.
func (s *stream) ensure(ctx context.Context, first proto.Seq) (is extent, err error) {
	err = patiently(ctx, func(ctx context.Context) error {
		have, err := s.js.Stream(ctx, s.name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			have, err = s.js.CreateStream(ctx, s.config(first))
		}
		if err == nil {
			is = extentOf(have.CachedInfo().State)
		}
		return err
	})
	if err != nil {
		return extent{}, fmt.Errorf("open the stream %s: %w", s.name, err)
	}
	return is, nil
}

// patiently asks JetStream, again when no answer comes.
func patiently(ctx context.Context, ask func(ctx context.Context) error) (err error) {
	for _, patience := range ensurePatience {
		within, cancel := context.WithTimeout(ctx, patience)
		err = ask(within)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return err
}

// extent is how far a stream reaches.
type extent struct {
	first, last proto.Seq // last is first-1 when the stream is empty
	messages    uint64
	bytes       uint64
}

func extentOf(state jetstream.StreamState) extent {
	return extent{
		first:    proto.Seq(state.FirstSeq),
		last:     proto.Seq(state.LastSeq),
		messages: state.Msgs,
		bytes:    state.Bytes,
	}
}
