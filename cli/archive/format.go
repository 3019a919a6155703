package archive

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"segno/proto"
)

// A file is a mark and a zstd stream of frames. A frame is a byte that says what
// it is, the length of its body as a uvarint, and the body:
//
//	h  Header, JSON: the first frame
//	f  File, JSON: a small file beside the logs; they come before these
//	l  Log, JSON: a log begins; its objects and transactions follow
//	o  an object as it was before the span, msgpack
//	e  a transaction: state hash after it ‖ hash of it ‖ envelope as in the log
//	z  Sum, JSON: what the log came to
//	a  a message of AUDIT, as it lies in the stream; they come behind the logs, in order
//	x  SHA-256 of all frames before it: the last frame
//
// The hash of a transaction is kept beside it because what is secret may have
// been taken out of the envelope: the chain then still holds.
const (
	frameHeader      = 'h'
	frameFile        = 'f'
	frameLog         = 'l'
	frameObject      = 'o'
	frameTransaction = 'e'
	frameSum         = 'z'
	frameAudit       = 'a'
	frameEnd         = 'x'
)

// A file begins with a mark; its last byte but one is the version. 2 is 1 with
// AUDIT behind the logs: a file without it is of version 1, which older readers know.
const (
	mark        = marking + "1\n"
	markAudited = marking + "2\n"
	marking     = "segno archive "
)

// maxFrame bounds a frame's body: a transaction with its hashes.
const maxFrame = proto.MaxEnvelope + 1<<10

// maxAudit bounds a message of AUDIT: the longest that the bus takes.
const maxAudit = 8 << 20

// Bounds of what a file may ask of who reads it.
const (
	// maxHeader bounds the JSON frames.
	maxHeader = 1 << 20
	// maxUnpacked and freeUnpacked bound what a file becomes: so many times its
	// size, once it is more than the free bytes. Logs pack to a tenth or a hundredth.
	maxUnpacked  = 2000
	freeUnpacked = 256 << 20
	// maxFiles bounds the files beside the logs.
	maxFiles = 64
	// maxSeq is beyond every log, and leaves room to count on.
	maxSeq = proto.Seq(1) << 62
)

// streams are the logs that a file may hold.
var streams = []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases}

// Suffix is how files are called.
const Suffix = ".segno"

// Errors that callers tell apart.
var (
	// ErrNotArchive says that the file is something else.
	ErrNotArchive = errors.New("not an archive of segno")
	// ErrDamaged says that the file is cut short, or is not what was written.
	ErrDamaged = errors.New("the archive is damaged")
)

// Header says what the file is.
type Header struct {
	Cluster string    `json:"cluster"`
	Made    time.Time `json:"made"`
	By      string    `json:"by"` // version of segno
	// From and To are the transactions of EVENTS in it, Since and Until the time that
	// it tells of. There are none in it when From is behind To.
	From  proto.Seq `json:"from"`
	To    proto.Seq `json:"to"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Hash is that of transaction To, which names the whole history up to it; "" in
	// files of before, and where there is none.
	Hash string `json:"hash,omitempty"`
	// Redacted tells that the values of Secrets were taken out.
	Redacted bool `json:"redacted,omitempty"`
	// Backup tells that a cluster can be made of the file: its logs are whole. Keys
	// tells that what proves who the cluster is, and who may do everything in it, is
	// in the file.
	Backup bool `json:"backup,omitempty"`
	Keys   bool `json:"keys,omitempty"`
	// Audit tells that the record of requests is in the file, and how it was kept.
	Audit *AuditBounds `json:"audit,omitempty"`
}

// AuditBounds is for how long, and in how many bytes, requests are kept.
type AuditBounds struct {
	Keep     time.Duration `json:"keep,omitempty"`
	MaxBytes int64         `json:"maxBytes,omitempty"`
}

// File is a small file of a cluster's data directory.
type File struct {
	Name string `json:"name"` // path in the data directory, with slashes
	Data []byte `json:"data"`
}

// Log says where a log begins in the file: with the state after a transaction.
type Log struct {
	Stream string    `json:"stream"`
	Seq    proto.Seq `json:"seq"` // 0 is the empty state before everything
	Hash   string    `json:"hash"`
	Term   uint64    `json:"term"`
	At     time.Time `json:"at"`
	State  string    `json:"state"` // hash of all objects then
	Last   proto.Seq `json:"last"`  // where it ends
}

// Sum is what a log came to.
type Sum struct {
	Objects      int    `json:"objects"` // in the state that it begins with
	Transactions int    `json:"transactions"`
	Hash         string `json:"hash"`  // of the newest transaction
	State        string `json:"state"` // hash of all objects after it
}

// check says what of it cannot be.
func (l Log) check() error {
	switch {
	case !slices.Contains(streams, l.Stream):
		return fmt.Errorf("%w: there is no log %q", ErrDamaged, l.Stream)
	case l.Seq > maxSeq || l.Last > maxSeq:
		return fmt.Errorf("%w: %s goes from %s to %s", ErrDamaged, l.Stream, l.Seq, l.Last)
	}
	return nil
}

// Start is the position that the log begins behind.
func (l Log) Start() (proto.Position, error) {
	hash, err := parseHash(l.Hash)
	return proto.Position{Seq: l.Seq, Hash: hash, Term: l.Term, At: l.At}, err
}
