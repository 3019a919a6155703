package projections

import (
	"time"

	"segno/events"
	"segno/proto"
)

// row is an object's record with what the fold wants to know of it besides.
type row struct {
	rec    *events.Record // its bodies may be missing, see lacks
	spec   proto.Hash     // of the sections
	status proto.Hash
	hash   proto.Hash // what it adds to the state hash while it lives
	terms  termsHash  // of its index rows while it lives
	lacks  sections
}

// sections is a set of sections.
type sections uint8

const (
	sectionSpec sections = 1 << iota
	sectionStatus
)

func (r *row) live() bool { return r != nil && !r.rec.Deleted }

func (r *row) record() *events.Record {
	if r == nil {
		return nil
	}
	return r.rec
}

// cost is about what the row keeps in memory: its bodies may hold on to the
// encoded envelopes that they came in.
func (r *row) cost() int { return 512 + 2*len(r.rec.Spec) + 2*len(r.rec.Status) }

// next folds one event; bodyHash is the sectionHash of its body. It answers r
// itself when the event changes nothing. The hashes of the row as a whole are
// brought up to date by finish.
func (r *row) next(ev *proto.Event, bodyHash proto.Hash, seq proto.Seq, env *proto.Envelope) *row {
	before := r.record()
	rec := events.Apply(before, ev, seq, env.At)
	if rec == before {
		return r
	}
	out := &row{}
	if r.live() && before.UID == ev.UID {
		*out = *r
	}
	out.rec = rec
	switch events.Read(ev).(type) {
	case events.Specified:
		out.spec = bodyHash
		out.lacks &^= sectionSpec
	case events.Observed:
		out.status = bodyHash
		out.lacks &^= sectionStatus
	case events.Ended, events.Marked:
	}
	return out
}

// strip lets go of the bodies; only of a row that nobody else has seen.
func (r *row) strip() {
	r.rec.Spec, r.rec.Status, r.lacks = nil, nil, sectionSpec
	if r.rec.StatusSeq > 0 {
		r.lacks |= sectionStatus
	}
}

func (r *row) finish() { r.hash = rowHash(r.rec, r.spec, r.status) }

// A current row is a row without its bodies, the sequence first: all that the
// fold needs of an object, as long as nobody asks for it as it was before.
func appendCurrentRow(dst []byte, r *row) []byte {
	dst = appendSeq(dst, r.rec.Seq)
	dst = append(dst, byte(r.rec.Encoding))
	dst = appendBytes(dst, r.rec.UID)
	dst = appendUvarint(dst, r.rec.Created)
	dst = appendUvarint(dst, r.rec.SpecSeq)
	dst = appendUvarint(dst, r.rec.StatusSeq)
	dst = appendSeq(dst, proto.Seq(r.rec.At.UnixNano()))
	dst = append(dst, r.spec[:]...)
	dst = append(dst, r.status[:]...)
	return append(dst, r.terms[:]...)
}

func readCurrent(key proto.ObjectKey, value []byte) (*row, error) {
	c := cursor{rest: value}
	rec := &events.Record{Key: key, Seq: proto.Seq(c.uint64()), Encoding: proto.Encoding(c.byte()), UID: string(c.bytes())}
	rec.Created, rec.SpecSeq, rec.StatusSeq = proto.Seq(c.uvarint()), proto.Seq(c.uvarint()), proto.Seq(c.uvarint())
	r := &row{rec: rec, lacks: sectionSpec}
	rec.At = time.Unix(0, int64(c.uint64())).UTC()
	copy(r.spec[:], c.take(uint64(len(r.spec))))
	copy(r.status[:], c.take(uint64(len(r.status))))
	copy(r.terms[:], c.take(uint64(len(r.terms))))
	if rec.StatusSeq > 0 {
		r.lacks |= sectionStatus
	}
	if c.bad || len(c.rest) > 0 {
		return nil, errRow
	}
	r.finish()
	return r, nil
}
