package events

import (
	"time"

	"segno/proto"
)

// Record is one object as the fold keeps it: the bodies of its two sections
// and where they came from. For protobuf sections, Spec followed by Status is
// itself the object's protobuf: the wire format merges by concatenation.
type Record struct {
	Key      proto.ObjectKey
	UID      string
	Seq      proto.Seq // newest event: the resourceVersion
	SpecSeq  proto.Seq // newest event of the spec section
	Created  proto.Seq // first event of this incarnation
	Encoding proto.Encoding
	Spec     []byte
	Status   []byte
	Deleted  bool      // a tombstone: the object ended at Seq; sections are its last ones
	At       time.Time // of Seq
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

// Apply folds one event into the record of its object and answers the record
// after it. It is total: an event that does not fit (status for an incarnation
// that is gone, say) leaves the record as it was. before is never written to
// and may be nil.
func Apply(before *Record, ev *proto.Event, seq proto.Seq, at time.Time) *Record {
	live := before != nil && !before.Deleted
	same := live && before.UID == ev.UID
	switch ev.Section {
	case proto.SectionSpec:
		after := Record{Key: ev.Key, UID: ev.UID, Created: seq}
		if same {
			after = *before
		}
		after.Spec, after.Encoding, after.SpecSeq = ev.Body, ev.Encoding, seq
		after.Seq, after.At = seq, at
		return &after
	case proto.SectionStatus:
		if !same {
			return before
		}
		after := *before
		after.Status, after.Seq, after.At = ev.Body, seq, at
		return &after
	case proto.SectionGone:
		if !same {
			return before
		}
		after := *before
		after.Deleted, after.Seq, after.At = true, seq, at
		return &after
	case proto.SectionMark:
		return before
	default:
		return before
	}
}
