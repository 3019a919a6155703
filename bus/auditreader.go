package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"segno/proto"
)

const (
	auditChunk = 64                         // messages that are read at once
	auditSlack = floodLongest + time.Second // by which events may lie out of order: what is counted is written later
)

// auditPlace is what is damaged.
const auditPlace = "audit message"

// auditMessage is one message of the stream, read.
type auditMessage struct {
	seq    proto.Seq
	hash   proto.Hash
	head   proto.AuditHead
	events []*proto.AuditEvent
	data   []byte // as it was written
	fault  error  // why it cannot be read; events has a note of it then
}

// Read yields what was recorded in the span and is wanted, the oldest first. What
// cannot be read any more is told in its place. The last thing it yields may be an
// error.
func (a *Audit) Read(ctx context.Context, span proto.AuditSpan, keep func(*proto.AuditEvent) bool) iter.Seq2[*proto.AuditEvent, error] {
	wanted := func(event *proto.AuditEvent) bool {
		return !event.StageAt.Before(span.Since) && (span.Until.IsZero() || !event.StageAt.After(span.Until)) && keep(event)
	}
	return func(yield func(*proto.AuditEvent, error) bool) {
		if err := a.Flush(ctx); err != nil {
			yield(nil, err)
			return
		}
		next, err := a.stored(ctx, span, wanted, func(event *proto.AuditEvent) bool { return yield(event, nil) })
		for err == nil && span.Follow {
			grown := a.more()
			if next, err = a.each(ctx, next, a.at.Load().seq, yieldWanted(wanted, func(event *proto.AuditEvent) bool { return yield(event, nil) })); err != nil {
				break
			}
			select {
			case <-grown:
			case <-a.ended:
				return
			case <-ctx.Done():
				return
			}
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// errEnough ends the reading when nobody wants more.
var errEnough = errors.New("enough was read")

func yieldWanted(wanted, yield func(*proto.AuditEvent) bool) func(auditMessage) error {
	return func(m auditMessage) error {
		for _, event := range m.events {
			unknown := m.head.Version == 0 // a note in the place of events that may have been wanted
			if (unknown || wanted(event)) && !yield(event) {
				return errEnough
			}
		}
		return nil
	}
}

// stored yields what is there, and answers the sequence behind it.
func (a *Audit) stored(ctx context.Context, span proto.AuditSpan, wanted, yield func(*proto.AuditEvent) bool) (next proto.Seq, err error) {
	is, err := a.stream.ensure(ctx, 1)
	if err != nil {
		return 0, err
	}
	last := a.at.Load().seq
	first, err := a.seek(ctx, is.first, last, span.Since)
	if err != nil {
		return 0, err
	}
	if span.Limit == 0 {
		return a.each(ctx, first, last, yieldWanted(wanted, yield))
	}
	for _, event := range a.newest(ctx, first, last, span.Limit, wanted, &err) {
		if !yield(event) {
			return last + 1, errEnough
		}
	}
	return last + 1, err
}

// newest reads back from the end until it has as many as are wanted.
func (a *Audit) newest(ctx context.Context, first, last proto.Seq, limit int, wanted func(*proto.AuditEvent) bool, err *error) []*proto.AuditEvent {
	var parts [][]*proto.AuditEvent
	have := 0
	for to := last; to >= first && have < limit && *err == nil; {
		from := first
		if to-first >= auditChunk {
			from = to - auditChunk + 1
		}
		var part []*proto.AuditEvent
		_, *err = a.each(ctx, from, to, yieldWanted(wanted, func(event *proto.AuditEvent) bool {
			part = append(part, event)
			return true
		}))
		parts = append(parts, part)
		have += len(part)
		to = from - 1
	}
	slices.Reverse(parts)
	all := slices.Concat(parts...)
	return all[max(0, len(all)-limit):]
}

// seek finds the first message that may have events from a time on.
func (a *Audit) seek(ctx context.Context, first, last proto.Seq, since time.Time) (proto.Seq, error) {
	if since.IsZero() || last < first {
		return first, nil
	}
	since = since.Add(-auditSlack)
	var failed error
	n := sort.Search(int(last-first+1), func(i int) bool {
		found := false
		_, err := a.each(ctx, first+proto.Seq(i), first+proto.Seq(i), func(m auditMessage) error {
			found = len(m.events) > 0 && !m.events[len(m.events)-1].StageAt.Before(since)
			return nil
		})
		if err != nil {
			failed = err
		}
		return found || failed != nil
	})
	return first + proto.Seq(n), failed
}

// each reads messages in order and answers the sequence behind the last. Old ones
// that go meanwhile are left out; one that cannot be read becomes a note.
func (a *Audit) each(ctx context.Context, from, to proto.Seq, do func(auditMessage) error) (proto.Seq, error) {
	for from <= to {
		end := min(to, from+auditChunk-1)
		err := a.stream.read(ctx, from, end, func(seq proto.Seq, data []byte) error {
			head, events, err := proto.DecodeAudit(data)
			switch {
			case err != nil:
				return &damage{seq: seq, want: "an audit message", found: fmt.Sprintf("what cannot be read (%s)", err), what: auditPlace}
			case head.Seq != seq:
				return &damage{seq: seq, want: "its own message", found: "that of sequence " + head.Seq.String(), what: auditPlace}
			}
			if err := do(auditMessage{seq: seq, hash: proto.HashOf(data), head: head, events: events, data: data}); err != nil {
				return err
			}
			from = seq + 1
			return nil
		})
		if err == nil {
			from = end + 1
			continue
		}
		if !isDamage(err) {
			return from, err
		}
		if from > end { // said behind the last: nothing of these is missing
			continue
		}
		is, lookErr := a.stream.ensure(ctx, 1)
		if lookErr != nil {
			return from, lookErr
		}
		if is.first > from {
			from = is.first
			continue
		}
		note := auditNote(reasonDamaged, "events cannot be read: "+err.Error(), a.foundAt(from, err.Error()))
		if err := do(auditMessage{seq: from, events: []*proto.AuditEvent{note}, fault: err}); err != nil {
			return from, err
		}
		from++
	}
	return from, nil
}

// Extent answers how far back the events reach, and within which bounds.
func (a *Audit) Extent(ctx context.Context) (proto.AuditExtent, error) {
	if err := a.Ready(ctx); err != nil {
		return proto.AuditExtent{}, err
	}
	return a.extent(ctx)
}

func (a *Audit) extent(ctx context.Context) (proto.AuditExtent, error) {
	have, err := a.stream.js.Stream(ctx, a.stream.name)
	if err != nil {
		return proto.AuditExtent{}, fmt.Errorf("look at the stream %s: %w", a.stream.name, err)
	}
	info := have.CachedInfo()
	out := proto.AuditExtent{Keep: info.Config.MaxAge, MaxBytes: info.Config.MaxBytes}
	if fault := a.fault(); fault != nil {
		out.Damage, out.Found, out.Advice = fault.what, fault.found, auditAdvice
	}
	if info.State.Msgs == 0 {
		out.Dropped = a.at.Load().events
		return out, nil
	}
	first := proto.Seq(info.State.FirstSeq)
	_, err = a.each(ctx, first, first, func(m auditMessage) error {
		out.Dropped = m.head.Before
		if len(m.events) > 0 {
			out.Oldest = m.events[0].StageAt.Time
		}
		return nil
	})
	return out, err
}

// Verify proves the chain from the oldest message that is kept to the newest that
// was written when it began, and the files. at is a message whose hash is wanted, 0
// for none.
func (a *Audit) Verify(ctx context.Context, at proto.Seq, report func(done, total uint64)) (proto.AuditProof, error) {
	proof, err := a.verify(ctx, at, report)
	if proof.Problem != "" {
		a.notice(proof.Problem)
	}
	return proof, err
}

func (a *Audit) verify(ctx context.Context, at proto.Seq, report func(done, total uint64)) (proto.AuditProof, error) {
	var proof proto.AuditProof
	if err := a.Flush(ctx); err != nil {
		return proof, err
	}
	end := *a.at.Load()
	is, err := a.stream.ensure(ctx, 1)
	if err != nil {
		return proof, err
	}
	proof.Position = proto.Position{Seq: end.seq, Hash: end.hash}
	var before auditMessage
	total := uint64(end.seq + 1 - min(is.first, end.seq+1))
	_, err = a.each(ctx, is.first, end.seq, func(m auditMessage) error {
		if err := follows(before, m); err != nil {
			return err
		}
		before = m
		if m.seq == at {
			proof.At, proof.AtHash = m.seq, m.hash
		}
		proof.Messages, proof.Events = proof.Messages+1, proof.Events+uint64(m.head.Count)
		if m.seq%1024 == 0 {
			report(proof.Messages, total)
		}
		return nil
	})
	switch {
	case isDamage(err):
		proof.Problem = err.Error()
		return a.placeOf(ctx, proof, end, report)
	case err == nil && end.seq >= is.first && (before.seq != end.seq || before.hash != end.hash):
		proof.Problem = fmt.Sprintf("it ends at message %s with the hash %s, but %s with %s was written", before.seq, before.hash.Short(), end.seq, end.hash.Short())
	case err == nil && !a.stream.memory:
		return a.verifyFiles(ctx, proof, end, report)
	}
	return proof, err
}

// verifyFiles adds what the files say: what was read just now may come out of the
// server's memory.
func (a *Audit) verifyFiles(ctx context.Context, proof proto.AuditProof, end auditPosition, report func(done, total uint64)) (proto.AuditProof, error) {
	files, err := VerifyAuditFiles(ctx, AuditFilesConfig{StoreDir: a.cfg.Server.asideDir(), Anchor: a.cfg.Anchor, Progress: report, end: end, running: true})
	proof.Records, proof.Problem = files.Records, files.Problem
	return proof, err
}

// placeOf says of a damage that was read through the server in which file it lies,
// if the files tell.
func (a *Audit) placeOf(ctx context.Context, proof proto.AuditProof, end auditPosition, report func(done, total uint64)) (proto.AuditProof, error) {
	if a.stream.memory {
		return proof, nil
	}
	placed, err := a.verifyFiles(ctx, proof, end, report)
	if placed.Problem == "" {
		placed.Problem = proof.Problem
	}
	return placed, err
}

// follows finds what is wrong with a message behind another.
func follows(before, m auditMessage) error {
	if m.fault != nil {
		return m.fault
	}
	for _, event := range m.events {
		if event.User.Username == "system:audit" && event.ResponseStatus != nil && event.ResponseStatus.Reason == reasonLost {
			return &damage{seq: m.seq, want: "all that was written", found: "the note of " + event.StageAt.Format(time.RFC3339) + ": " + event.ResponseStatus.Message, what: auditPlace}
		}
	}
	if before.seq == 0 {
		return nil // the oldest that is kept
	}
	switch prev := hexHash(before.hash); {
	case m.seq != before.seq+1:
		return &damage{seq: m.seq, want: "message " + (before.seq + 1).String(), found: "message " + m.seq.String(), what: auditPlace}
	case m.head.Prev != prev:
		return &damage{seq: before.seq, want: "a message with the hash " + short(mustHash(m.head.Prev)) + ", which its successor names", found: "one with " + short(before.hash), what: auditPlace}
	case m.head.Before != before.head.Before+uint64(before.head.Count):
		return &damage{seq: m.seq, want: fmt.Sprintf("%d events before it", before.head.Before+uint64(before.head.Count)), found: fmt.Sprintf("that it says %d", m.head.Before), what: auditPlace}
	}
	return nil
}

// mustHash reads a hash for people: one that is none is all zeros.
func mustHash(text string) proto.Hash {
	hash, err := hashFrom(text)
	if err != nil {
		return proto.Hash{}
	}
	return hash
}
