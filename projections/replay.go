package projections

import (
	"context"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// What one step of reading the log back takes at most.
const (
	replayMost  = 256
	replayBytes = 4 << 20
)

// redactedMark stands in an event row before the hash of a transaction out of
// which something was taken: no envelope begins with it (msgpack never uses it).
const redactedMark = 0xc1

// span reads transactions behind from, up to and including to, and as many as one
// step takes.
func (p *Projection) span(from, to proto.Seq) ([]proto.Entry, []proto.Hash, error) {
	if err := p.enter(); err != nil {
		return nil, nil, err
	}
	defer p.leave()
	entries, states, err := readSpan(p.db, from, to)
	if err != nil && from < p.state.Load().start() {
		return nil, nil, p.outside("read behind transaction", from, ErrTooOld)
	}
	return entries, states, p.cfg.explain(err)
}

// readSpan is span out of any reader. No transaction may be missing.
func readSpan(db pebble.Reader, from, to proto.Seq) ([]proto.Entry, []proto.Hash, error) {
	entries, states, err := readRows(db, from, to)
	if err != nil {
		return nil, nil, err
	}
	next := from
	for i := range entries {
		if next++; entries[i].Envelope.Seq != next {
			break
		}
	}
	if len(entries) == 0 && from < to || len(entries) > 0 && entries[len(entries)-1].Envelope.Seq != next {
		return nil, nil, fmt.Errorf("read transaction %s: its row is missing", next)
	}
	return entries, states, nil
}

// readRows reads event rows as they are, with the state hash after each. With an
// error come the entries before it.
func readRows(db pebble.Reader, from, to proto.Seq) (entries []proto.Entry, states []proto.Hash, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: eventKey(from + 1), UpperBound: eventKey(to + 1)})
	if err != nil {
		return nil, nil, fmt.Errorf("read transactions behind %s: %w", from, err)
	}
	defer it.Close()
	size := 0
	for ok := it.First(); ok && len(entries) < replayMost && size < replayBytes; ok = it.Next() {
		state, e, err := readEvent(it)
		if err != nil {
			return entries, states, err
		}
		entries, states = append(entries, e), append(states, state)
		size += len(e.Encoded)
	}
	if err := it.Error(); err != nil {
		return entries, states, fmt.Errorf("read transactions behind %s: %w", from, err)
	}
	return entries, states, nil
}

func readEvent(it *pebble.Iterator) (state proto.Hash, e proto.Entry, err error) {
	seq := takeSeq(it.Key())
	value, err := it.ValueAndErr()
	if err == nil {
		value = append([]byte(nil), value...)
		state, e.Encoded, err = eventRow(value)
	}
	if err != nil {
		return state, e, fmt.Errorf("read transaction %s: %w", seq, err)
	}
	e.Hash, e.Redacted = chainHash(value)
	e.Envelope, err = decodeRow(seq, e.Encoded)
	return state, e, err
}

// Recorded is a transaction as it lies in the log, and what the fold of it gave.
type Recorded struct {
	proto.Entry
	State proto.Hash // of all objects after it
}

// Entries yields the transactions from and to, both included, and all between
// them. to may lie in the future: then it ends with the newest one. The last
// thing it yields may be an error.
func (p *Projection) Entries(ctx context.Context, from, to proto.Seq) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		for at := max(from, 1) - 1; ; {
			if err := ctx.Err(); err != nil {
				yield(Recorded{}, err)
				return
			}
			entries, states, err := p.span(at, min(to, p.Position().Seq))
			if err != nil {
				yield(Recorded{}, err)
				return
			}
			if len(entries) == 0 {
				return
			}
			for i := range entries {
				if !yield(Recorded{Entry: entries[i], State: states[i]}, nil) {
					return
				}
			}
			at = entries[len(entries)-1].Envelope.Seq
		}
	}
}

// Events is Entries for those who need only what happened.
func (p *Projection) Events(ctx context.Context, from, to proto.Seq) iter.Seq2[*proto.Envelope, error] {
	return func(yield func(*proto.Envelope, error) bool) {
		for entry, err := range p.Entries(ctx, from, to) {
			if !yield(entry.Envelope, err) {
				return
			}
		}
	}
}

// replay makes the changes behind from again, as they were released then: up to
// to, or as far as one step goes. upto says how far it came.
func (p *Projection) replay(from, to proto.Seq) (txns []*txn, upto proto.Seq, err error) {
	entries, _, err := p.span(from, to)
	if err != nil {
		return nil, from, err
	}
	if len(entries) == 0 {
		return nil, from, fmt.Errorf("read transactions behind %s: %w", from, errRow)
	}
	if err := p.enter(); err != nil {
		return nil, from, err
	}
	defer p.leave()
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, from, err
	}
	defer reader.close()
	known := map[proto.ObjectKey]*row{}
	for i := range entries {
		t, err := reader.txn(entries[i].Envelope, known)
		if err != nil {
			return nil, from, err
		}
		if len(t.changes) > 0 {
			txns = append(txns, t)
		}
	}
	return txns, entries[len(entries)-1].Envelope.Seq, nil
}

// txn folds one transaction again over the versions before it; known carries
// objects on to the next one.
func (vs *versions) txn(env *proto.Envelope, known map[proto.ObjectKey]*row) (*txn, error) {
	t := &txn{seq: env.Seq}
	objects := map[proto.ObjectKey]struct{}{}
	for i := range env.Events {
		ev := &env.Events[i]
		if ev.Section == proto.SectionMark {
			continue
		}
		before, ok := known[ev.Key]
		if !ok {
			var err error
			if before, err = vs.row(ev.Key, env.Seq-1); err != nil {
				return nil, err
			}
		}
		now := before.next(ev, proto.Hash{}, env.Seq, env)
		known[ev.Key] = now
		if now == before {
			continue
		}
		t.changes = append(t.changes, changeOf(env, ev, before, now))
		objects[ev.Key] = struct{}{}
	}
	t.settle(len(objects))
	return t, nil
}
