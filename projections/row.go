package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

// row is an object's record with what the fold wants to know of it besides.
type row struct {
	rec       *events.Record
	statusSeq proto.Seq  // newest event of the status section, 0 when it has none
	spec      proto.Hash // of the sections
	status    proto.Hash
	hash      proto.Hash // what it adds to the state hash while it lives
}

func (r *row) live() bool { return r != nil && !r.rec.Deleted }

func (r *row) record() *events.Record {
	if r == nil {
		return nil
	}
	return r.rec
}

// cost is about what the row keeps in memory: its body may hold on to the
// encoded envelope that it came in.
func (r *row) cost() int { return 768 + len(r.rec.Spec) + len(r.rec.Status) }

// next folds one event; bodyHash is the sectionHash of its body. It answers r
// itself when the event changes nothing. The row hash is not brought up to date.
func (r *row) next(ev *proto.Event, bodyHash proto.Hash, seq proto.Seq, env *proto.Envelope) *row {
	before := r.record()
	rec := events.Apply(before, ev, seq, env.At)
	if rec == before {
		return r
	}
	out := &row{rec: rec}
	if r.live() && before.UID == ev.UID {
		*out = row{rec: rec, statusSeq: r.statusSeq, spec: r.spec, status: r.status}
	}
	switch events.Read(ev).(type) {
	case events.Specified:
		out.spec = bodyHash
	case events.Observed:
		out.status, out.statusSeq = bodyHash, seq
	case events.Ended, events.Marked:
	}
	return out
}

// finish hashes a row that was read from disk or is new in its transaction.
func (r *row) finish() { r.hash = rowHash(r.rec, r.statusSeq, r.spec, r.status) }

// A version row is
//
//	flags, encoding, uid, created, specSeq, statusSeq, at, [spec], [status]
//
// with the bodies of those sections only that were written at its own sequence;
// the others lie in the version rows that specSeq and statusSeq name.
const (
	flagDeleted = 1 << iota
	flagSpec
	flagStatus
)

func versionFlags(r *row) (flags byte) {
	if r.rec.Deleted {
		flags |= flagDeleted
	}
	if r.rec.SpecSeq == r.rec.Seq {
		flags |= flagSpec
	}
	if r.statusSeq == r.rec.Seq {
		flags |= flagStatus
	}
	return flags
}

func appendVersionRow(dst []byte, r *row) []byte {
	flags := versionFlags(r)
	dst = append(dst, flags, byte(r.rec.Encoding))
	dst = appendBytes(dst, r.rec.UID)
	dst = binary.AppendUvarint(dst, uint64(r.rec.Created))
	dst = binary.AppendUvarint(dst, uint64(r.rec.SpecSeq))
	dst = binary.AppendUvarint(dst, uint64(r.statusSeq))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.rec.At.UnixNano()))
	if flags&flagSpec != 0 {
		dst = appendBytes(dst, r.rec.Spec)
	}
	if flags&flagStatus != 0 {
		dst = appendBytes(dst, r.rec.Status)
	}
	return dst
}

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errRow = errors.New("malformed row")

// version is a decoded version row; its bodies alias the row.
type version struct {
	flags              byte
	encoding           proto.Encoding
	uid                []byte
	created            proto.Seq
	specSeq, statusSeq proto.Seq
	at                 int64
	spec, status       []byte
}

func readVersion(value []byte) (v version, err error) {
	c := cursor{rest: value}
	v.flags = c.byte()
	v.encoding = proto.Encoding(c.byte())
	v.uid = c.bytes()
	v.created = proto.Seq(c.uvarint())
	v.specSeq = proto.Seq(c.uvarint())
	v.statusSeq = proto.Seq(c.uvarint())
	v.at = int64(c.uint64())
	if v.flags&flagSpec != 0 {
		v.spec = c.bytes()
	}
	if v.flags&flagStatus != 0 {
		v.status = c.bytes()
	}
	if c.bad || len(c.rest) > 0 {
		return v, errRow
	}
	return v, nil
}

// cursor reads a row from the front; bad is set once it does not fit.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) uvarint() uint64 {
	n, size := binary.Uvarint(c.rest)
	if size <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

func (c *cursor) bytes() []byte { return c.take(c.uvarint()) }

// versions reads objects out of one iterator over the version space.
type versions struct {
	iter *pebble.Iterator
	buf  []byte
}

// newest finds the newest version of the object at or before seq; ok is false when
// there is none. The value is valid until the iterator moves.
func (vs *versions) newest(key proto.ObjectKey, seq proto.Seq) (at proto.Seq, v version, ok bool, err error) {
	vs.buf = appendVersion(vs.buf[:0], key, seq)
	if !vs.iter.SeekPrefixGE(vs.buf) {
		return 0, v, false, vs.failed(key, seq, vs.iter.Error())
	}
	return vs.here(key)
}

// here reads the version that the iterator stands on.
func (vs *versions) here(key proto.ObjectKey) (at proto.Seq, v version, ok bool, err error) {
	_, at = splitVersion(vs.iter.Key())
	value, err := vs.iter.ValueAndErr()
	if err == nil {
		v, err = readVersion(value)
	}
	return at, v, err == nil, vs.failed(key, at, err)
}

func (vs *versions) failed(key proto.ObjectKey, seq proto.Seq, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read version of %s at %s: %w", key, seq, err)
}

// row builds the object's row as of seq, nil when it never was by then. A
// deleted one comes as its tombstone.
func (vs *versions) row(key proto.ObjectKey, seq proto.Seq) (*row, error) {
	at, v, ok, err := vs.newest(key, seq)
	if err != nil || !ok {
		return nil, err
	}
	return vs.complete(key, at, v)
}

// complete copies a version out of the iterator and fetches the sections that lie
// in older rows.
func (vs *versions) complete(key proto.ObjectKey, at proto.Seq, v version) (*row, error) {
	rec := &events.Record{
		Key: key, UID: string(v.uid), Seq: at, SpecSeq: v.specSeq, Created: v.created,
		Encoding: v.encoding, Deleted: v.flags&flagDeleted != 0, At: time.Unix(0, v.at).UTC(),
	}
	out := &row{rec: rec, statusSeq: v.statusSeq}
	hasSpec, hasStatus := v.flags&flagSpec != 0, v.flags&flagStatus != 0
	body := make([]byte, 0, len(v.spec)+len(v.status))
	body = append(append(body, v.spec...), v.status...)
	if hasSpec {
		rec.Spec = body[:len(v.spec):len(v.spec)]
	}
	if hasStatus {
		rec.Status = body[len(v.spec):]
	}
	// Newer sequences lie in front: fetching in that order only moves forward.
	specFirst := v.specSeq > v.statusSeq
	for i := range 2 {
		isSpec := (i == 0) == specFirst
		if isSpec && !hasSpec {
			older, err := vs.section(key, v.specSeq)
			if err != nil {
				return nil, err
			}
			rec.Spec = append([]byte(nil), older.spec...)
		}
		if !isSpec && !hasStatus && v.statusSeq > 0 {
			older, err := vs.section(key, v.statusSeq)
			if err != nil {
				return nil, err
			}
			rec.Status = append([]byte(nil), older.status...)
		}
	}
	return out, nil
}

// section reads the very version that another one refers to.
func (vs *versions) section(key proto.ObjectKey, seq proto.Seq) (version, error) {
	at, v, ok, err := vs.newest(key, seq)
	if err != nil {
		return v, err
	}
	if !ok || at != seq {
		return v, vs.failed(key, seq, errors.New("the row that holds a section is missing"))
	}
	return v, nil
}

func (vs *versions) close() error { return vs.iter.Close() }
