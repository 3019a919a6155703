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
	if r.rec.StatusSeq == r.rec.Seq {
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
	dst = binary.AppendUvarint(dst, uint64(r.rec.StatusSeq))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.rec.At.UnixNano()))
	if flags&flagSpec != 0 {
		dst = appendBytes(dst, r.rec.Spec)
	}
	if flags&flagStatus != 0 {
		dst = appendBytes(dst, r.rec.Status)
	}
	return dst
}

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
		Key: key, UID: string(v.uid), Seq: at, SpecSeq: v.specSeq, StatusSeq: v.statusSeq, Created: v.created,
		Encoding: v.encoding, Deleted: v.flags&flagDeleted != 0, At: time.Unix(0, v.at).UTC(),
	}
	out := &row{rec: rec}
	body := append(append(make([]byte, 0, len(v.spec)+len(v.status)), v.spec...), v.status...)
	if v.flags&flagSpec != 0 {
		rec.Spec = body[:len(v.spec):len(v.spec)]
	} else {
		out.lacks |= sectionSpec
	}
	if v.flags&flagStatus != 0 {
		rec.Status = body[len(v.spec):]
	} else if v.statusSeq > 0 {
		out.lacks |= sectionStatus
	}
	return out, vs.fetch(out)
}

// fetch reads the bodies that the row lacks. Only a row that nobody else has
// seen may be given.
func (vs *versions) fetch(r *row) error {
	if r.lacks&sectionSpec != 0 {
		v, err := vs.section(r.rec.Key, r.rec.SpecSeq)
		if err != nil {
			return err
		}
		r.rec.Spec = append([]byte(nil), v.spec...)
	}
	if r.lacks&sectionStatus != 0 {
		v, err := vs.section(r.rec.Key, r.rec.StatusSeq)
		if err != nil {
			return err
		}
		r.rec.Status = append([]byte(nil), v.status...)
	}
	r.lacks = 0
	return nil
}

// filled is the row with its bodies: itself, or a copy.
func (vs *versions) filled(r *row) (*row, error) {
	if r == nil || r.lacks == 0 {
		return r, nil
	}
	out, rec := *r, *r.rec
	out.rec = &rec
	return &out, vs.fetch(&out)
}

var errSection = errors.New("the row that holds a section is missing")

// section reads the very version that another one refers to.
func (vs *versions) section(key proto.ObjectKey, seq proto.Seq) (version, error) {
	at, v, ok, err := vs.newest(key, seq)
	if err != nil {
		return v, err
	}
	if !ok || at != seq {
		return v, vs.failed(key, seq, errSection)
	}
	return v, nil
}

func (vs *versions) close() error { return vs.iter.Close() }
