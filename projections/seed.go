package projections

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

var errNotEmpty = errors.New("the projection is not empty")

// Seed fills an empty projection with a snapshot: all objects as they were after
// the transaction at, as Records yields them. Its log then goes on behind that,
// and it can be read as of at or later. Nothing else may be asked of the projection
// meanwhile; after an error it is to be thrown away, with its folder.
func (p *Projection) Seed(at proto.Position, records iter.Seq2[*events.Record, error]) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.folding.Lock()
	defer p.folding.Unlock()
	if at.Seq == 0 {
		return nil // before everything there was nothing
	}
	st := p.state.Load()
	if st.Seq > 0 || st.First > 0 {
		return fmt.Errorf("seed with the state as of %s: %w: its log ends at %s", at.Seq, errNotEmpty, st.Seq)
	}
	s := &seeding{p: p, batch: p.db.NewBatch(), state: state{Position: at, First: at.Seq + 1}}
	defer func() { _ = s.batch.Close() }()
	for rec, err := range records {
		if err == nil {
			err = s.record(rec)
		}
		if err != nil {
			return fmt.Errorf("seed with the state as of %s: %w", at.Seq, err)
		}
	}
	if err := s.finish(); err != nil {
		return fmt.Errorf("seed with the state as of %s: %w", at.Seq, err)
	}
	p.recent = newRecent(at.Seq)
	p.feed = newFeed(p.cfg.FeedBytes, at.Seq)
	p.state.Store(&s.state)
	return nil
}

// seeding is one Seed under way.
type seeding struct {
	p     *Projection
	batch *pebble.Batch
	state state
}

// record writes an object's rows. Its sections may be older than its newest
// event: each lies in the version row of its own sequence, as the fold has it.
func (s *seeding) record(rec *events.Record) error {
	r, err := seedRow(rec, s.state.Seq)
	if err != nil {
		return err
	}
	s.state.sum.add(r.hash)
	for _, part := range partsOf(rec) {
		if err := s.batch.Set(appendVersion(nil, rec.Key, part.Seq), appendVersionRow(nil, &row{rec: part}), nil); err != nil {
			return err
		}
	}
	keys := s.p.indexKeys(r)
	r.terms = hashTerms(keys)
	for _, key := range keys {
		if err := s.batch.Set(key, nil, nil); err != nil {
			return err
		}
	}
	if err := s.batch.Set(appendObject(nil, spaceCurrent, rec.Key), appendCurrentRow(nil, r), nil); err != nil {
		return err
	}
	s.p.present.add(rec.Key)
	if s.batch.Len() < groupBytes {
		return nil
	}
	return s.write(pebble.NoSync)
}

// seedRow is an object of a snapshot as of at.
func seedRow(rec *events.Record, at proto.Seq) (*row, error) {
	if rec.Deleted || rec.Seq > at || rec.SpecSeq > rec.Seq || rec.StatusSeq > rec.Seq || rec.Seq == 0 {
		return nil, fmt.Errorf("%s at %s is no object of a snapshot: %w", rec.Key, rec.Seq, ErrGap)
	}
	r := &row{rec: rec, spec: sectionHash(rec.Spec), status: sectionHash(rec.Status)}
	if rec.StatusSeq == 0 {
		r.status = proto.Hash{}
	}
	r.finish()
	return r, nil
}

// partsOf are the version rows of an object: the newest one, and those that its
// sections were written in.
func partsOf(rec *events.Record) []*events.Record {
	parts := []*events.Record{rec}
	for _, seq := range []proto.Seq{rec.SpecSeq, rec.StatusSeq} {
		if seq == rec.Seq || seq == 0 || len(parts) == 2 && parts[1].Seq == seq {
			continue
		}
		part := *rec
		part.Seq = seq
		parts = append(parts, &part)
	}
	return parts
}

// finish writes the position, behind everything else.
func (s *seeding) finish() error {
	if err := s.batch.Set(timeKey(unixNano(s.state.At), s.state.Seq), nil, nil); err != nil {
		return err
	}
	for _, space := range []byte{spaceStart, spacePosition} {
		if err := s.batch.Set([]byte{space}, s.state.append(nil), nil); err != nil {
			return err
		}
	}
	return s.write(s.p.write)
}

func (s *seeding) write(how *pebble.WriteOptions) error {
	if err := s.p.db.Apply(s.batch, how); err != nil {
		return err
	}
	s.batch.Reset()
	return nil
}
