package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"segno/proto"
)

// Bounds of the audit. A request that finds the queue full waits; nothing is
// left out.
const (
	auditAge     = 90 * 24 * time.Hour
	auditBytes   = 4 << 30
	auditQueue   = 8192                   // events that wait to be written
	auditBatch   = 512                    // events in one message
	auditPause   = 100 * time.Millisecond // how long an event may wait for others
	auditAttempt = 5 * time.Second        // to write one message
	auditTries   = 30 * time.Second       // all attempts at one
)

// AuditConfig says where requests are recorded, and for how long.
type AuditConfig struct {
	Server *Server
	// Keep is how long events are kept, and MaxBytes in how many bytes at most,
	// whichever is less. 0 leaves what the stream has: 90 days and 4 GiB at first.
	Keep     time.Duration
	MaxBytes int64
	// Anchor is the file that remembers how far the stream reached; "" for none.
	Anchor string
	Log    *slog.Logger
}

// Audit records requests in a stream of its own: one goroutine writes what has
// come together as one message, which carries the hash of the one before it.
type Audit struct {
	cfg     AuditConfig
	log     *slog.Logger
	queue   chan auditItem
	ready   chan struct{} // closed when the stream is open
	ended   chan struct{} // closed when nothing is written any more
	conn    *Conn         // set before ready, as stream is
	stream  *stream
	at      atomic.Pointer[auditPosition] // what was written last
	reached anchor                        // what the anchor's file says
	reckon  time.Time                     // when that was last written
	checked time.Time                     // when it was last looked at what the stream dropped
	faults  auditFaults
	floods  *floods
	proved  chan struct{} // closed when the files were looked at once

	mu    sync.Mutex
	grown chan struct{} // closed, and made anew, when something was written
}

// auditItem is an event to write, or the wish to know when all before are.
type auditItem struct {
	event   *proto.AuditEvent
	written chan struct{}
}

// auditPosition is where the next message goes.
type auditPosition struct {
	seq    proto.Seq
	hash   proto.Hash
	events uint64 // in all messages so far
}

// NewAudit checks the configuration; Run opens the stream. What is recorded
// before that waits. The server tells it of what it refuses itself.
func NewAudit(cfg AuditConfig) (*Audit, error) {
	if cfg.Server == nil {
		return nil, errors.New("audit: a server is needed")
	}
	if cfg.Keep < 0 || cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("audit: keep %s, at most %d bytes: must not be negative", cfg.Keep, cfg.MaxBytes)
	}
	a := &Audit{
		cfg: cfg, log: orDefault(cfg.Log), queue: make(chan auditItem, auditQueue),
		ready: make(chan struct{}), ended: make(chan struct{}), grown: make(chan struct{}), proved: make(chan struct{}),
		floods: newFloods(),
	}
	cfg.Server.logger.audit.Store(a)
	return a, nil
}

// Record has an event written soon; of a refusal that repeats another, how often it
// did, a little later. It waits while there is no room, and drops the event only
// when the audit has ended.
func (a *Audit) Record(event *proto.AuditEvent) {
	if a.floods.take(event, time.Now()) {
		return
	}
	select {
	case a.queue <- auditItem{event: event}:
	case <-a.ended:
		a.unrecorded(event)
	}
}

func (a *Audit) unrecorded(event *proto.AuditEvent) {
	a.log.Warn("a request was not recorded: the audit has ended", "request", event.AuditID, "user", event.User.Username, "uri", event.RequestURI,
		"count", cmp.Or(event.Annotations[proto.AuditCount], "1"))
}

// Ready waits until the stream is open.
func (a *Audit) Ready(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-a.ended:
		return errors.New("the audit has ended")
	case <-ctx.Done():
		return fmt.Errorf("wait for the audit: %w", ctx.Err())
	}
}

// Run records until ctx ends, and then what is still waiting.
func (a *Audit) Run(ctx context.Context) error {
	defer close(a.ended)
	err := a.open(ctx)
	if err == nil {
		defer a.conn.Close()
		close(a.ready)
		var checking sync.WaitGroup
		end := *a.at.Load()
		checking.Go(func() { a.check(ctx, end) })
		defer checking.Wait()
		err = a.write(ctx)
	}
	for _, event := range a.floods.close() { // what was not written for an error
		a.unrecorded(event)
	}
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return fmt.Errorf("audit: %w", err)
}

func (a *Audit) open(ctx context.Context) error {
	if err := a.cfg.Server.Ready(ctx); err != nil {
		return err
	}
	var err error
	if a.conn, err = a.cfg.Server.Connect("audit"); err != nil {
		return err
	}
	if a.stream, err = newStream(a.conn, proto.StreamAudit, a.cfg.Server.memory); err != nil {
		return err
	}
	is, err := a.stream.ensure(ctx, 1)
	if err != nil {
		return err
	}
	if err := a.retain(ctx); err != nil {
		return err
	}
	if a.reached, err = readAnchor(a.cfg.Anchor); err != nil {
		return err
	}
	at, loss, err := a.resume(ctx, is)
	if err != nil {
		return err
	}
	a.at.Store(&at)
	if loss != "" {
		a.notice(loss)
		return a.message(batch{events: []*proto.AuditEvent{auditNote(reasonLost, loss, time.Now())}})
	}
	return nil
}

// retain gives the stream the bounds that are asked for.
func (a *Audit) retain(ctx context.Context) error {
	have, err := a.stream.js.Stream(ctx, a.stream.name)
	if err != nil {
		return fmt.Errorf("open the stream %s: %w", a.stream.name, err)
	}
	cfg := have.CachedInfo().Config
	want := cfg
	if a.cfg.Keep > 0 {
		want.MaxAge = a.cfg.Keep
		want.Duplicates = min(want.Duplicates, a.cfg.Keep)
	}
	if a.cfg.MaxBytes > 0 {
		want.MaxBytes = a.cfg.MaxBytes
	}
	if want.MaxAge == cfg.MaxAge && want.MaxBytes == cfg.MaxBytes {
		return nil
	}
	if _, err := a.stream.js.UpdateStream(ctx, want); err != nil {
		return fmt.Errorf("keep audit events for %s in at most %d bytes: %w", want.MaxAge, want.MaxBytes, err)
	}
	return nil
}

// resume finds where the stream ends, and what it has lost since it was last
// written to.
func (a *Audit) resume(ctx context.Context, is extent) (at auditPosition, loss string, err error) {
	at.seq = is.last
	if is.messages > 0 {
		at, err = a.position(ctx, is.last)
		if isDamage(err) {
			at, loss, err = auditPosition{seq: is.last}, err.Error(), nil
		}
		if err != nil {
			return at, "", err
		}
	}
	known := a.reached
	switch {
	case loss != "" || known.Seq == 0:
	case is.last < known.Seq:
		loss = fmt.Sprintf("it ends at message %s, but %s were written", is.last, known.Seq)
	case is.messages == 0 && is.last == known.Seq: // all of it was old enough to go
		at.hash, err = hashFrom(known.Hash)
	case known.Seq >= is.first:
		var then auditPosition
		if then, err = a.position(ctx, known.Seq); isDamage(err) || err == nil && hexHash(then.hash) != known.Hash {
			loss, err = fmt.Sprintf("message %s is not the one that was written", known.Seq), nil
		}
	}
	return at, loss, err
}

// position is the place behind a message.
func (a *Audit) position(ctx context.Context, seq proto.Seq) (at auditPosition, err error) {
	err = a.stream.read(ctx, seq, seq, func(_ proto.Seq, data []byte) error {
		head, _, err := proto.DecodeAudit(data)
		if err != nil || head.Seq != seq {
			return &damage{seq: seq, want: "the audit message of this sequence", found: fmt.Sprintf("one of sequence %s (%v)", head.Seq, err), what: auditPlace}
		}
		at = auditPosition{seq: seq, hash: proto.HashOf(data), events: head.Before + uint64(head.Count)}
		return nil
	})
	return at, err
}

// append writes a message, for as long as there is hope. errBehind says that it
// has to go elsewhere.
func (a *Audit) append(at auditPosition, data []byte) error {
	hash := proto.HashOf(data)
	for began := time.Now(); ; {
		err := a.attempt(at, data)
		if err == nil {
			return nil
		}
		// An acknowledgement may be lost where the message is not.
		ctx, cancel := context.WithTimeout(context.Background(), auditAttempt)
		have, lookErr := a.position(ctx, at.seq+1)
		cancel()
		var behind errBehind
		switch {
		case lookErr == nil && have.hash == hash:
			return nil
		case errors.As(err, &behind):
			return behind
		case time.Since(began) > auditTries, a.conn.nc.IsClosed():
			return fmt.Errorf("write message %s: %w", at.seq+1, err)
		}
		a.log.Warn("the audit is not written, and is tried again", "error", err)
		time.Sleep(auditPause)
	}
}

func (a *Audit) attempt(at auditPosition, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), auditAttempt)
	defer cancel()
	_, err := a.stream.js.Publish(ctx, proto.AuditSubject, data, jetstream.WithExpectLastSequence(uint64(at.seq)))
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		return err
	}
	_, last, _ := strings.Cut(refused.Description, "wrong last sequence: ")
	seq, parseErr := proto.ParseSeq(last)
	if parseErr != nil || seq == at.seq {
		return err
	}
	return errBehind(seq)
}

// errBehind is the sequence of the stream's last message, where it is not the one
// that was thought: a damaged stream may look empty, and yet go on counting.
type errBehind proto.Seq

func (e errBehind) Error() string {
	return fmt.Sprintf("the stream ends at message %s", proto.Seq(e))
}
