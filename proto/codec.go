package proto

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// The wire form is a msgpack array whose first element is the schema version:
//
//	[version, seq, epoch, term, at, actor, verb, causeSeq, causeRequest,
//	 correlation, via, prev, [event, …]]
//	event = [kind, reason, group, resource, namespace, name, uid, section,
//	         encoding, keyID, body]
//
// A field is only ever added by a new version with an upcaster from the one
// before; the bytes of each released version are kept in testdata for ever.
const (
	envelopeFields = 13
	eventFields    = 11
)

// maxCount is the largest sequence and term.
const maxCount = 1 << 63

// maxEvents bounds what a hostile length prefix can make Decode allocate.
const maxEvents = 100_000

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed envelope")

// Encode writes the envelope in the current version. The same envelope always
// gives the same bytes: the hash chain depends on it. A time outside 1970 to
// 2262 is written as 1970, and a sequence or term above 2^63 as that: whatever is
// encoded can be decoded.
func Encode(e *Envelope) []byte {
	size := 256
	for i := range e.Events {
		size += 128 + len(e.Events[i].Body)
	}
	buf := bytes.NewBuffer(make([]byte, 0, size))
	w := writer{msgpack.NewEncoder(buf)}
	w.enc.UseCompactInts(true)
	w.array(envelopeFields)
	w.uint(Version)
	w.uint(min(uint64(e.Seq), maxCount))
	w.uint(uint64(e.Epoch))
	w.uint(min(e.Term, maxCount))
	w.uint(nanoseconds(e.At))
	w.text(string(e.Actor))
	w.text(e.Verb)
	w.uint(min(uint64(e.Cause.Seq), maxCount))
	w.text(e.Cause.Request)
	w.text(e.Correlation)
	w.text(e.Via)
	w.bytes(e.Prev[:])
	w.array(len(e.Events))
	for i := range e.Events {
		w.event(&e.Events[i])
	}
	return buf.Bytes()
}

func nanoseconds(at time.Time) uint64 {
	if at.Year() < 1970 || at.Year() > 2261 {
		return 0
	}
	return uint64(max(0, at.UnixNano()))
}

// writer drops the encoder's errors: it writes to memory, which cannot fail.
type writer struct{ enc *msgpack.Encoder }

func (w writer) array(n int)    { _ = w.enc.EncodeArrayLen(n) }
func (w writer) uint(n uint64)  { _ = w.enc.EncodeUint(n) }
func (w writer) text(s string)  { _ = w.enc.EncodeString(s) }
func (w writer) bytes(b []byte) { _ = w.enc.EncodeBytes(b) }

func (w writer) event(e *Event) {
	w.array(eventFields)
	w.text(e.Kind)
	w.text(e.Reason)
	w.text(e.Key.Group)
	w.text(e.Key.Resource.Name)
	w.text(e.Key.Namespace)
	w.text(e.Key.Name)
	w.text(e.UID)
	w.uint(uint64(e.Section))
	w.uint(uint64(e.Encoding))
	w.text(e.KeyID)
	if e.Body == nil {
		w.bytes([]byte{})
		return
	}
	w.bytes(e.Body)
}

func versionOf(data []byte) (int, error) {
	r := newReader(data)
	r.arrayOf("envelope", 1, 64)
	version := r.uint("version", 1<<16)
	return int(version), r.err
}

func decodeCurrent(data []byte) (*Envelope, error) {
	r := newReader(data)
	r.arrayOf("envelope", envelopeFields, envelopeFields)
	r.uint("version", Version)
	e := &Envelope{
		Seq:   Seq(r.uint("seq", maxCount)),
		Epoch: uint32(r.uint("epoch", 1<<32-1)),
		Term:  r.uint("term", maxCount),
		At:    time.Unix(0, int64(r.uint("at", 1<<63-1))).UTC(),
		Actor: Actor(r.text("actor")),
		Verb:  r.text("verb"),
	}
	e.Cause.Seq = Seq(r.uint("cause.seq", maxCount))
	e.Cause.Request = r.text("cause.request")
	e.Correlation = r.text("correlation")
	e.Via = r.text("via")
	if prev := r.bytes("prev"); r.err == nil && copy(e.Prev[:], prev) != len(e.Prev) {
		r.fail("prev", errors.New("must have 32 bytes"))
	}
	n := r.arrayOf("events", 0, maxEvents)
	for i := 0; i < n && r.err == nil; i++ {
		e.Events = append(e.Events, r.event())
	}
	if r.err == nil && r.src.Len() > 0 {
		r.fail("envelope", fmt.Errorf("%d bytes after its end", r.src.Len()))
	}
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

// reader keeps the first error; after it every read answers a zero value.
type reader struct {
	data []byte
	src  *bytes.Reader
	dec  *msgpack.Decoder
	err  error
}

func newReader(data []byte) *reader {
	src := bytes.NewReader(data)
	return &reader{data: data, src: src, dec: msgpack.NewDecoder(src)}
}

func (r *reader) fail(field string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s: %w", ErrMalformed, field, err)
	}
}

func (r *reader) arrayOf(field string, least, most int) int {
	if r.err != nil {
		return 0
	}
	n, err := r.dec.DecodeArrayLen()
	if err == nil && (n < least || n > most) {
		err = fmt.Errorf("has %d elements, want %d to %d", n, least, most)
	}
	if err != nil {
		r.fail(field, err)
		return 0
	}
	return n
}

func (r *reader) uint(field string, most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	n, err := r.dec.DecodeUint64()
	if err == nil && n > most {
		err = fmt.Errorf("is %d, at most %d is allowed", n, most)
	}
	if err != nil {
		r.fail(field, err)
		return 0
	}
	return n
}

func (r *reader) text(field string) string { return string(r.bytes(field)) }

// bytes answers a slice of the input, so that a body is never copied and a
// forged length cannot allocate.
func (r *reader) bytes(field string) []byte {
	if r.err != nil {
		return nil
	}
	n, err := r.dec.DecodeBytesLen()
	if err != nil {
		r.fail(field, err)
		return nil
	}
	if n <= 0 {
		return nil
	}
	if n > r.src.Len() {
		r.fail(field, fmt.Errorf("says %d bytes, %d are left", n, r.src.Len()))
		return nil
	}
	from := len(r.data) - r.src.Len()
	_, _ = r.src.Seek(int64(n), 1)
	return r.data[from : from+n : from+n]
}

func (r *reader) event() Event {
	r.arrayOf("event", eventFields, eventFields)
	e := Event{Kind: r.text("event.kind"), Reason: r.text("event.reason")}
	e.Key.Group = r.text("event.group")
	e.Key.Resource.Name = r.text("event.resource")
	e.Key.Namespace = r.text("event.namespace")
	e.Key.Name = r.text("event.name")
	e.UID = r.text("event.uid")
	e.Section = Section(r.uint("event.section", 255))
	e.Encoding = Encoding(r.uint("event.encoding", 255))
	e.KeyID = r.text("event.keyID")
	e.Body = r.bytes("event.body")
	return e
}
