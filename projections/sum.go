package projections

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"segno/events"
	"segno/proto"
)

// sum adds hashes of rows modulo 2^256. Addition does not care for order and
// can be undone, so that a state hash is kept up event by event.
type sum [4]uint64

func (s *sum) add(h proto.Hash) {
	var carry uint64
	for i := 3; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], binary.BigEndian.Uint64(h[i*8:]), carry)
	}
}

func (s *sum) sub(h proto.Hash) {
	var borrow uint64
	for i := 3; i >= 0; i-- {
		s[i], borrow = bits.Sub64(s[i], binary.BigEndian.Uint64(h[i*8:]), borrow)
	}
}

func (s *sum) hash() (h proto.Hash) {
	for i, lane := range s {
		binary.BigEndian.PutUint64(h[i*8:], lane)
	}
	return h
}

func sumOf(h proto.Hash) (s sum) {
	for i := range s {
		s[i] = binary.BigEndian.Uint64(h[i*8:])
	}
	return s
}

// sectionHash is the hash of a section's body; an empty one has zero.
func sectionHash(body []byte) proto.Hash {
	if len(body) == 0 {
		return proto.Hash{}
	}
	return sha256.Sum256(body)
}

// rowHash is what one current object adds to the state hash: its name, its
// versions and its sections. Created is left out, because a log whose beginning
// was dropped (NOTES) cannot tell it and still has to give the same hash.
func rowHash(rec *events.Record, spec, status proto.Hash) proto.Hash {
	buf := make([]byte, 0, 320)
	buf = appendObject(buf, spaceCurrent, rec.Key)
	buf = appendText(buf, rec.UID)
	buf = appendSeq(buf, rec.Seq)
	buf = appendSeq(buf, rec.SpecSeq)
	buf = appendSeq(buf, rec.StatusSeq)
	buf = append(buf, byte(rec.Encoding))
	buf = append(buf, spec[:]...)
	buf = append(buf, status[:]...)
	return sha256.Sum256(buf)
}
