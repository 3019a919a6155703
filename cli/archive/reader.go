package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"segno/events"
	"segno/projections"
	"segno/proto"
)

// Reader reads a file front to back: Next, then Records, then Entries, for each
// of its logs. It is for one goroutine.
type Reader struct {
	in     *framed
	header Header
	files  []File
	log    Log
	sum    *Sum   // of the log that was read last
	what   byte   // the frame that was read ahead
	body   []byte // of it
	audit  auditReading
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	in, err := newFramed(r)
	if err != nil {
		return nil, err
	}
	out := &Reader{in: in}
	if err := out.step(); err != nil {
		return nil, err
	}
	if out.what != frameHeader {
		return nil, fmt.Errorf("%w: it has no header", ErrDamaged)
	}
	if err := out.parse(&out.header); err != nil {
		return nil, err
	}
	if err := out.step(); err != nil {
		return nil, err
	}
	return out, out.readFiles()
}

// Files are those that lie beside the logs.
func (r *Reader) Files() []File { return r.files }

func (r *Reader) readFiles() error {
	for r.what == frameFile {
		var file File
		if err := r.parse(&file); err != nil {
			return err
		}
		if r.files = append(r.files, file); len(r.files) > maxFiles {
			return fmt.Errorf("%w: it has more than %d files beside its logs", ErrDamaged, maxFiles)
		}
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

// Close frees what reading takes.
func (r *Reader) Close() { r.in.close() }

// Header says what the file is.
func (r *Reader) Header() Header { return r.header }

// Next begins the next log; io.EOF says that there is none, and that the file was
// whole.
func (r *Reader) Next() (Log, error) {
	if err := r.readAudit(); err != nil {
		return Log{}, err
	}
	if r.what == frameEnd {
		return Log{}, io.EOF
	}
	if r.what != frameLog {
		return Log{}, fmt.Errorf("%w: a log was expected, not %q", ErrDamaged, r.what)
	}
	r.log, r.sum = Log{}, nil
	if err := r.parse(&r.log); err != nil {
		return Log{}, err
	}
	if err := r.log.check(); err != nil {
		return Log{}, err
	}
	return r.log, r.step()
}

// Records yields the objects that the log begins with. The last thing it yields
// may be an error.
func (r *Reader) Records() iter.Seq2[*events.Record, error] {
	return func(yield func(*events.Record, error) bool) {
		for r.what == frameObject {
			rec, err := decodeObject(r.body)
			if err == nil {
				err = r.step()
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Entries yields the log's transactions with the state hash that was recorded
// after each. The last thing it yields may be an error.
func (r *Reader) Entries() iter.Seq2[projections.Recorded, error] {
	return func(yield func(projections.Recorded, error) bool) {
		at := r.log.Seq
		for r.what == frameTransaction {
			entry, err := decodeEntry(r.body)
			if at++; err == nil && entry.Envelope.Seq != at {
				err = fmt.Errorf("%w: transaction %s lies in the place of %s", ErrDamaged, entry.Envelope.Seq, at)
			}
			if err == nil {
				err = r.step()
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
		if err := r.end(at); err != nil {
			yield(projections.Recorded{}, err)
		}
	}
}

// Sum is what the log that was read last came to.
func (r *Reader) Sum() *Sum { return r.sum }

func (r *Reader) end(at proto.Seq) error {
	if r.what != frameSum || at != max(r.log.Last, r.log.Seq) {
		return fmt.Errorf("%w: %s ends at transaction %s, not at %s", ErrDamaged, r.log.Stream, at, r.log.Last)
	}
	r.sum = &Sum{}
	if err := r.parse(r.sum); err != nil {
		return err
	}
	return r.step()
}

func (r *Reader) step() (err error) {
	r.what, r.body, err = r.in.read()
	return err
}

func (r *Reader) parse(into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

var errShort = errors.New("it is too short")

func decodeEntry(body []byte) (out projections.Recorded, err error) {
	const hashes = 2 * len(proto.Hash{})
	if len(body) < hashes {
		return out, fmt.Errorf("%w: a transaction: %w", ErrDamaged, errShort)
	}
	copy(out.State[:], body)
	copy(out.Hash[:], body[len(proto.Hash{}):])
	out.Encoded = body[hashes:]
	if out.Envelope, err = proto.Decode(out.Encoded); err != nil {
		return out, fmt.Errorf("%w: a transaction: %w", ErrDamaged, err)
	}
	return out, nil
}
