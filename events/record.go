package events

import (
	"time"

	"segno/proto"
)

// Record is one object as the fold keeps it: the bodies of its two sections
// and where they came from. For protobuf sections, Spec followed by Status is
// itself the object's protobuf: the wire format merges by concatenation.
type Record struct {
	Key       proto.ObjectKey
	UID       string
	Seq       proto.Seq // newest event: the resourceVersion
	SpecSeq   proto.Seq // newest event of the spec section
	StatusSeq proto.Seq // newest event of the status section, 0 when there is none
	Created   proto.Seq // first event of this incarnation
	Encoding  proto.Encoding
	Spec      []byte
	Status    []byte
	Deleted   bool      // a tombstone: the object ended at Seq; sections are its last ones
	At        time.Time // of Seq
}

// Change is one folded event for those who follow the log: the object before
// and after. Before is nil for a creation, After.Deleted is set for a deletion.
// Both are shared and never written to.
type Change struct {
	Seq         proto.Seq
	At          time.Time
	Actor       proto.Actor
	Correlation string
	Event       proto.Event
	Before      *Record
	After       *Record
}

// Version is a record with the transaction that made it.
type Version struct {
	Record   *Record
	Envelope *proto.Envelope
}

// VersionAt names one version of an object: as the transaction Seq made it.
type VersionAt struct {
	Key     proto.ObjectKey
	Seq     proto.Seq
	Deleted bool // the object ended with it
}

// Sighting is one version of an object as somebody passes by it, undecoded.
type Sighting struct {
	New                bool // the first one of its object
	Seq                proto.Seq
	Deleted            bool // the object ended with it
	Shown              bool // it was shown before: another part of the log begins with it
	SpecSeq, StatusSeq proto.Seq
	Spec, Status       []byte // bodies of the sections, until the next one
}
