package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"segno/proto"
)

// Head is the newest message that was written, and its hash.
func (a *Audit) Head() proto.Position {
	at := a.at.Load()
	if at == nil {
		return proto.Position{}
	}
	return proto.Position{Seq: at.seq, Hash: at.hash}
}

// Messages yields all messages as they were written, from the oldest that is kept
// to the newest when it begins, without a gap: in the place of one that cannot be
// read lies a note that it was lost. The last thing it yields may be an error.
func (a *Audit) Messages(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := a.Flush(ctx)
		if err == nil {
			err = a.messages(ctx, yield)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

func (a *Audit) messages(ctx context.Context, yield func([]byte, error) bool) error {
	end := a.at.Load().seq
	is, err := a.stream.ensure(ctx, 1)
	if err != nil {
		return err
	}
	var before auditMessage
	give := func(m auditMessage) error {
		if before = m; !yield(m.data, nil) {
			return errEnough
		}
		return nil
	}
	_, err = a.each(ctx, is.first, end, func(m auditMessage) error {
		for before.seq > 0 && before.seq+1 < m.seq {
			if err := standIn(before, "it ran out while it was copied", give); err != nil {
				return err
			}
		}
		if m.head.Version != 0 {
			return give(m)
		}
		if before.seq == 0 {
			before.seq = m.seq - 1
		}
		return standIn(before, m.events[0].ResponseStatus.Message, give)
	})
	return err
}

// standIn gives a note in the place of the message behind another.
func standIn(before auditMessage, why string, give func(auditMessage) error) error {
	m := auditMessage{seq: before.seq + 1}
	note := auditNote(reasonLost, fmt.Sprintf("message %s is not in the copy: %s", m.seq, why), time.Now())
	var err error
	if m.data, err = proto.EncodeAudit(m.seq, before.hash, before.head.Before+uint64(before.head.Count), []*proto.AuditEvent{note}); err != nil {
		return err
	}
	if m.head, m.events, err = proto.DecodeAudit(m.data); err != nil {
		return err
	}
	m.hash = proto.HashOf(m.data)
	return give(m)
}

// AuditRestoreConfig says where an audit is made of the messages of another.
type AuditRestoreConfig struct {
	StoreDir string // of a server that does not run
	Anchor   string // file that remembers how far it reaches
	// Keep and MaxBytes are the bounds that it has; 0 is the usual one.
	Keep     time.Duration
	MaxBytes int64
	Log      *slog.Logger
}

// RestoreAudit writes messages that follow one another without a gap into a new
// stream, each as it is, in its place.
func RestoreAudit(ctx context.Context, cfg AuditRestoreConfig, messages iter.Seq2[[]byte, error]) (err error) {
	server, err := NewServer(ServerConfig{StoreDir: cfg.StoreDir, Log: cfg.Log})
	if err != nil {
		return err
	}
	within, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(within) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	if err := server.Ready(ctx); err != nil {
		return err
	}
	conn, err := server.Connect("restore of the audit")
	if err != nil {
		return err
	}
	defer conn.Close()
	r := auditRestore{cfg: cfg}
	if r.stream, err = newStream(conn, proto.StreamAudit, false); err != nil {
		return err
	}
	for data, err := range messages {
		if err == nil {
			err = r.put(ctx, data)
		}
		if err != nil {
			return fmt.Errorf("restore the audit: %w", err)
		}
	}
	if r.at.Seq == 0 {
		return nil
	}
	return anchor{Seq: r.at.Seq, Hash: hexHash(r.at.Hash)}.write(cfg.Anchor)
}

// auditRestore is a stream that is made.
type auditRestore struct {
	cfg    AuditRestoreConfig
	stream *stream
	at     proto.Position // the newest
}

func (r *auditRestore) put(ctx context.Context, data []byte) error {
	head, _, err := proto.DecodeAudit(data)
	if err != nil {
		return err
	}
	if r.at.Seq == 0 {
		if err := r.begin(ctx, head.Seq); err != nil {
			return err
		}
	}
	if head.Seq != r.at.Seq+1 {
		return fmt.Errorf("message %s follows %s", head.Seq, r.at.Seq)
	}
	if _, err := r.stream.js.Publish(ctx, proto.AuditSubject, data, jetstream.WithExpectLastSequence(uint64(r.at.Seq))); err != nil {
		return fmt.Errorf("write message %s: %w", head.Seq, err)
	}
	r.at = proto.Position{Seq: head.Seq, Hash: proto.HashOf(data)}
	return nil
}

// begin makes the stream, whose first message is that of a sequence.
func (r *auditRestore) begin(ctx context.Context, first proto.Seq) error {
	if first == 0 {
		return errors.New("message 0: they are counted from 1")
	}
	if _, err := r.stream.ensure(ctx, first); err != nil {
		return err
	}
	r.at.Seq = first - 1
	a := Audit{cfg: AuditConfig{Keep: r.cfg.Keep, MaxBytes: r.cfg.MaxBytes}, stream: r.stream}
	return a.retain(ctx)
}
