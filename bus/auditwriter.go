package bus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/proto"
)

// write writes what comes in until ctx ends, and then what is there.
func (a *Audit) write(ctx context.Context) error {
	for {
		select {
		case first := <-a.queue:
			if err := a.message(a.collect(ctx, first)); err != nil {
				return err
			}
		case <-a.floods.due:
			if err := a.writeAll(a.floods.ended(time.Now())); err != nil {
				return err
			}
		case <-ctx.Done():
			return a.drain()
		}
	}
}

// drain writes what is waiting at the end.
func (a *Audit) drain() error {
	if err := a.writeAll(a.floods.close()); err != nil {
		return err
	}
	for {
		select {
		case first := <-a.queue:
			ended, cancel := context.WithCancel(context.Background())
			cancel() // takes only what is there
			if err := a.message(a.collect(ended, first)); err != nil {
				return err
			}
		default:
			return a.dropAnchor()
		}
	}
}

// batch is what becomes one message, and who waits for it.
type batch struct {
	events  []*proto.AuditEvent
	written []chan struct{}
}

func (b *batch) take(item auditItem) {
	if item.event != nil {
		b.events = append(b.events, item.event)
	}
	if item.written != nil {
		b.written = append(b.written, item.written)
	}
}

// collect waits a little for more, unless somebody waits or ctx has ended.
func (a *Audit) collect(ctx context.Context, first auditItem) batch {
	var b batch
	b.take(first)
	pause := time.NewTimer(auditPause)
	defer pause.Stop()
	for len(b.events) < auditBatch {
		select {
		case item := <-a.queue:
			b.take(item)
			continue
		default:
		}
		if len(b.written) > 0 || ctx.Err() != nil {
			break
		}
		select {
		case item := <-a.queue:
			b.take(item)
			continue
		case <-pause.C:
		case <-ctx.Done():
		}
		break
	}
	return b
}

// writeAll writes events that nobody waits for.
func (a *Audit) writeAll(events []*proto.AuditEvent) error {
	for part := range slices.Chunk(events, auditBatch) {
		if err := a.message(batch{events: part}); err != nil {
			return err
		}
	}
	return nil
}

// message writes the batch and tells those who wait.
func (a *Audit) message(b batch) error {
	if len(b.events) > 0 {
		at, err := a.put(*a.at.Load(), b.events)
		if err != nil {
			return err
		}
		a.at.Store(&at)
		a.tell()
		if time.Since(a.reckon) >= anchorPeriod {
			if err := a.dropAnchor(); err != nil {
				return err
			}
		}
		a.watchDrops()
	}
	for _, written := range b.written {
		close(written)
	}
	return nil
}

// put writes the events behind a place, and answers the place behind them.
func (a *Audit) put(at auditPosition, events []*proto.AuditEvent) (auditPosition, error) {
	for moved := false; ; moved = true {
		data, err := proto.EncodeAudit(at.seq+1, at.hash, at.events, events)
		if err != nil {
			return at, err
		}
		err = a.append(at, data)
		var last errBehind
		switch {
		case err == nil:
			return auditPosition{seq: at.seq + 1, hash: proto.HashOf(data), events: at.events + uint64(len(events))}, nil
		case moved, !errors.As(err, &last):
			return at, err
		}
		a.log.Warn("the audit goes on elsewhere than was thought: " + err.Error())
		at.seq = proto.Seq(last)
	}
}

// tell wakes those who follow.
func (a *Audit) tell() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.grown)
	a.grown = make(chan struct{})
}

// more is closed when something is written.
func (a *Audit) more() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.grown
}

// Flush waits until all that was recorded before can be read, but for what is still
// counted.
func (a *Audit) Flush(ctx context.Context) error {
	if err := a.Ready(ctx); err != nil {
		return err
	}
	item := auditItem{written: make(chan struct{})}
	select {
	case a.queue <- item:
	case <-a.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-item.written:
	case <-a.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// dropAnchor writes how far the stream reaches.
func (a *Audit) dropAnchor() error {
	a.reckon = time.Now()
	at := a.at.Load()
	if a.cfg.Anchor == "" || at.seq == a.reached.Seq {
		return nil
	}
	a.reached = anchor{Seq: at.seq, Hash: hexHash(at.hash)}
	return a.reached.write(a.cfg.Anchor)
}

// dropsPause is how often it is looked at, and said, that the stream is full.
const dropsPause = time.Hour

// watchDrops says when events go before their time, because of the bytes.
func (a *Audit) watchDrops() {
	if time.Since(a.checked) < dropsPause {
		return
	}
	a.checked = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), auditAttempt)
	defer cancel()
	is, err := a.extent(ctx)
	if err == nil && is.Dropped > 0 && time.Since(is.Oldest) < is.Keep-dropsPause {
		a.log.Warn("the audit is full: events are dropped before their time", "oldest", is.Oldest, "dropped", is.Dropped, "bytes", is.MaxBytes, "keep", is.Keep)
	}
}

// Reasons of notes: about what is missing, which is written, and in the place of
// what cannot be read.
const (
	reasonLost    = "AuditLost"
	reasonDamaged = "AuditDamaged"
)

// auditNote is an event about the audit itself, with the time at which it was found.
func auditNote(reason, message string, found time.Time) *proto.AuditEvent {
	now := proto.AuditTime{Time: found}
	return &proto.AuditEvent{
		AuditID: string(uuid.NewUUID()), Stage: proto.AuditComplete, Verb: "note", User: proto.AuditUser{Username: "system:audit"},
		ResponseStatus:  &proto.AuditStatus{Status: "Failure", Code: 500, Reason: reason, Message: message},
		RequestReceived: now, StageAt: now,
	}
}

func hashFrom(text string) (hash proto.Hash, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || copy(hash[:], raw) != len(hash) {
		return hash, fmt.Errorf("hash %q: must be %d hexadecimal digits", text, 2*len(hash))
	}
	return hash, nil
}
