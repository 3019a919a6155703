package projections

import (
	"context"
	"fmt"

	"segno/proto"
)

// eventRow splits an event row into the state hash after it and the envelope.
func eventRow(value []byte) (hash proto.Hash, encoded []byte, err error) {
	if len(value) < len(hash) {
		return hash, nil, errRow
	}
	copy(hash[:], value)
	encoded = value[len(hash):]
	if len(encoded) > len(hash) && encoded[0] == redactedMark {
		encoded = encoded[1+len(hash):]
	}
	return hash, encoded, nil
}

// chainHash is the hash of the transaction in an event row: of what lies there,
// unless something was taken out of it.
func chainHash(value []byte) (hash proto.Hash, redacted bool) {
	rest := value[min(len(value), len(hash)):]
	if len(rest) > len(hash) && rest[0] == redactedMark {
		copy(hash[:], rest[1:])
		return hash, true
	}
	return proto.HashOf(rest), false
}

// appendRedaction is what stands before the envelope of a transaction that is not
// whole; nothing before any other.
func appendRedaction(dst []byte, e *proto.Entry) []byte {
	if !e.Redacted {
		return dst
	}
	return append(append(dst, redactedMark), e.Hash[:]...)
}

// outside explains why a sequence cannot be read.
func (p *Projection) outside(what string, seq proto.Seq, err error) error {
	st := p.state.Load()
	return fmt.Errorf("%s %s of a log of %s to %s: %w", what, seq, st.First, st.Seq, err)
}

// Encoded is the envelope of a transaction as it lies in the log.
func (p *Projection) Encoded(seq proto.Seq) ([]byte, error) {
	value, err := p.event(seq)
	if err != nil {
		return nil, err
	}
	_, encoded, err := eventRow(value)
	return encoded, err
}

// Envelope is a transaction.
func (p *Projection) Envelope(seq proto.Seq) (*proto.Envelope, error) {
	encoded, err := p.Encoded(seq)
	if err != nil {
		return nil, err
	}
	return decodeRow(seq, encoded)
}

// StateHashAt is the state hash as it was after a transaction.
func (p *Projection) StateHashAt(seq proto.Seq) (proto.Hash, error) {
	if seq == 0 && p.state.Load().First <= 1 {
		return proto.Hash{}, nil
	}
	if st := p.state.Load(); seq > 0 && seq == st.start() {
		_, state, err := p.startOf(st)
		return state, err
	}
	value, err := p.event(seq)
	if err != nil {
		return proto.Hash{}, err
	}
	state, _, err := eventRow(value)
	return state, err
}

// PositionAt is a transaction as a place in the log, and the state hash after
// it: of any that can be read, and of the one that the log begins behind.
func (p *Projection) PositionAt(seq proto.Seq) (proto.Position, proto.Hash, error) {
	if st := p.state.Load(); seq > 0 && seq == st.start() {
		return p.startOf(st)
	}
	value, err := p.event(seq)
	if err != nil {
		return proto.Position{}, proto.Hash{}, err
	}
	state, encoded, err := eventRow(value)
	if err != nil {
		return proto.Position{}, state, fmt.Errorf("read transaction %s: %w", seq, err)
	}
	env, err := decodeRow(seq, encoded)
	if err != nil {
		return proto.Position{}, state, err
	}
	hash, _ := chainHash(value)
	return proto.Position{Seq: seq, Hash: hash, Term: env.Term, At: env.At}, state, nil
}

// startOf is what the log begins behind: as a snapshot says, or, where the
// beginning was dropped, as the first transaction that is kept tells of it.
func (p *Projection) startOf(st *state) (proto.Position, proto.Hash, error) {
	if start, err := p.snapshot(); err != nil {
		return proto.Position{}, proto.Hash{}, err
	} else if start != nil && start.Seq == st.start() {
		return start.Position, start.sum.hash(), nil
	}
	env, err := p.Envelope(st.First)
	if err != nil {
		return proto.Position{}, proto.Hash{}, err
	}
	var all sum
	for rec, err := range p.Records(context.Background(), st.start()) {
		if err != nil {
			return proto.Position{}, proto.Hash{}, err
		}
		all.add(rowHash(rec, sectionHash(rec.Spec), sectionHash(rec.Status)))
	}
	return proto.Position{Seq: st.start(), Hash: env.Prev, Term: env.Term, At: env.At}, all.hash(), nil
}

// event is the row of a transaction.
func (p *Projection) event(seq proto.Seq) ([]byte, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	switch st := p.state.Load(); {
	case seq > st.Seq:
		return nil, p.outside("read transaction", seq, ErrFuture)
	case seq < max(st.First, 1):
		return nil, p.outside("read transaction", seq, ErrTooOld)
	}
	value, err := p.read(eventKey(seq))
	if err == nil && value == nil {
		err = errRow
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", seq, p.cfg.explain(err))
	}
	return value, nil
}

func decodeRow(seq proto.Seq, encoded []byte) (*proto.Envelope, error) {
	env, err := proto.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", seq, err)
	}
	return env, nil
}
