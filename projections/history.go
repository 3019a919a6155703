package projections

import (
	"fmt"
	"math"

	"segno/events"
	"segno/proto"
)

// Revision is one version of an object and the transaction that made it.
type Revision struct {
	Record   *events.Record
	Envelope *proto.Envelope
	Events   []proto.Event // of the transaction, those about the object
}

// Newest, as the end of a history, is whatever the log ends at.
const Newest = proto.Seq(math.MaxUint64)

// History answers the versions of an object up to a sequence, newest first:
// deletions and earlier objects of the same name included. limit 0 is all of them.
func (p *Projection) History(key proto.ObjectKey, last proto.Seq, limit int) ([]Revision, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	st := p.state.Load()
	var out []Revision
	for at := min(st.Seq, last); at >= max(st.First, 1) && (limit == 0 || len(out) < limit); {
		r, err := reader.row(key, at)
		if err != nil {
			return nil, err
		}
		if r == nil || r.rec.Seq < st.First {
			break
		}
		revision, err := p.revision(r)
		if err != nil {
			return nil, fmt.Errorf("history of %s: %w", key, err)
		}
		out = append(out, revision)
		at = r.rec.Seq - 1
	}
	return out, nil
}

// Latest answers the newest transactions about an object, newest first.
func (p *Projection) Latest(key proto.ObjectKey, limit int) ([]*proto.Envelope, error) {
	revisions, err := p.History(key, Newest, limit)
	if err != nil {
		return nil, err
	}
	envelopes := make([]*proto.Envelope, 0, len(revisions))
	for _, r := range revisions {
		envelopes = append(envelopes, r.Envelope)
	}
	return envelopes, nil
}

func (p *Projection) revision(r *row) (Revision, error) {
	seq := r.rec.Seq
	value, err := p.read(eventKey(seq))
	if err != nil {
		return Revision{}, err
	}
	_, encoded, err := eventRow(value)
	if err != nil {
		return Revision{}, fmt.Errorf("read transaction %s: %w", seq, err)
	}
	env, err := decodeRow(seq, encoded)
	if err != nil {
		return Revision{}, err
	}
	return Revision{Record: r.rec, Envelope: env, Events: about(env, r.rec.Key)}, nil
}
