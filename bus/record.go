package bus

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/minio/highwayhash"

	"segno/proto"
)

// A block file of a stream is one record behind the other, all numbers little
// endian:
//
//	length(4) sequence(8) time(8) subjectLength(2) subject headerLength(4) header message checksum(8)
//
// The highest bit of the length says that there is a header, and with it its
// length. The second highest bit of the sequence marks a tombstone, which has
// neither subject, header nor message: the server leaves one where a stream
// begins behind 1, and for a message that ran out. The checksum is HighwayHash
// of sequence, time, subject, header and message, under the SHA-256 of
// "<stream>-<number of the block>": it does not cover the lengths.
const (
	recordHead    = 22
	recordSum     = 8
	recordEmpty   = recordHead + recordSum
	recordHeader  = uint32(1) << 31
	recordGone    = uint64(1) << 62
	recordLongest = 2 * maxPayload // no message is as large
)

// recorder makes the records of one block as they must be.
type recorder struct {
	hash *highwayhash.Digest64
	next []byte // the record made last
}

func newRecorder(stream string, block int) (*recorder, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, block))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("checksum of block %d of %s: %w", block, stream, err)
	}
	return &recorder{hash: hash}, nil
}

// fence is the header with which line.publish appends a transaction.
func fence(seq proto.Seq) []byte {
	return fmt.Appendf(nil, "NATS/1.0\r\n%s: %s\r\n\r\n", expectedLastSequence, seq-1)
}

// transaction is the record of a transaction; stored is when the server took
// it: the one thing that the transaction does not tell. It is valid until the
// next call.
func (r *recorder) transaction(seq proto.Seq, stored uint64, subject string, encoded []byte) []byte {
	header := fence(seq)
	length := recordEmpty + len(subject) + 4 + len(header) + len(encoded)
	out := r.next[:0]
	out = binary.LittleEndian.AppendUint32(out, uint32(length)|recordHeader)
	out = binary.LittleEndian.AppendUint64(out, uint64(seq))
	out = binary.LittleEndian.AppendUint64(out, stored)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(subject)))
	out = append(out, subject...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(header)))
	out = append(out, header...)
	out = append(out, encoded...)
	r.next = r.sum(out, subject, string(header), encoded)
	return r.next
}

// tombstone is the record that says that a sequence, and all before it, is gone.
func (r *recorder) tombstone(seq, stored uint64) []byte {
	out := binary.LittleEndian.AppendUint32(r.next[:0], recordEmpty)
	out = binary.LittleEndian.AppendUint64(out, seq|recordGone)
	out = binary.LittleEndian.AppendUint64(out, stored)
	out = binary.LittleEndian.AppendUint16(out, 0)
	r.next = r.sum(out, "", "", nil)
	return r.next
}

func (r *recorder) sum(record []byte, subject, header string, message []byte) []byte {
	r.hash.Reset()
	for _, part := range [][]byte{record[4:20], []byte(subject), []byte(header), message} {
		_, _ = r.hash.Write(part) // never fails
	}
	return r.hash.Sum(record)
}

// head is what the beginning of a record says.
type head struct {
	length   int
	seq      uint64
	gone     bool
	stored   uint64
	headed   bool
	subjects int
}

// readHead reads the beginning of the record at the start of data, which is at
// least recordHead long. Nothing in it is to be believed.
func readHead(data []byte) head {
	length := binary.LittleEndian.Uint32(data)
	seq := binary.LittleEndian.Uint64(data[4:])
	return head{
		length: int(length &^ recordHeader), headed: length&recordHeader != 0,
		seq: seq &^ recordGone, gone: seq&recordGone != 0,
		stored:   binary.LittleEndian.Uint64(data[12:]),
		subjects: int(binary.LittleEndian.Uint16(data[20:])),
	}
}

// message is where the message lies in a record of the given head; nil when
// the record has no room for one.
func (h head) message(record []byte) []byte {
	from := recordHead + h.subjects
	if !h.headed || len(record) < from+4+recordSum {
		return nil
	}
	header := int(binary.LittleEndian.Uint32(record[from:]))
	if from += 4; header > len(record)-from-recordSum {
		return nil
	}
	return record[from+header : len(record)-recordSum]
}

// differ says in which part of a record the first byte lies that is not what
// it must be, and where it is.
func differ(have, want []byte, subject string, header int) (part string, at int) {
	for at < min(len(have), len(want)) && have[at] == want[at] {
		at++
	}
	ends := []struct {
		part string
		end  int
	}{
		{"length", 4},
		{"sequence", 12},
		{"time", 20},
		{"length of the subject", recordHead},
		{"subject", recordHead + len(subject)},
		{"length of the header", recordHead + len(subject) + 4},
		{"header", recordHead + len(subject) + 4 + header},
		{"transaction itself", len(want) - recordSum},
	}
	for _, e := range ends {
		if at < e.end {
			return e.part, at
		}
	}
	return "checksum, or the time that it covers,", at
}
