package events

import (
	"time"

	"segno/proto"
)

// Apply folds one event into the record of its object and answers the record
// after it. It is total: an event that does not fit (status for an incarnation
// that is gone, say) leaves the record as it was. before is never written to
// and may be nil.
func Apply(before *Record, ev *proto.Event, seq proto.Seq, at time.Time) *Record {
	same := before != nil && !before.Deleted && before.UID == ev.UID
	var after Record
	if same {
		after = *before
	}
	switch e := Read(ev).(type) {
	case Specified:
		if !same {
			after = Record{Key: ev.Key, UID: ev.UID, Created: seq}
		}
		after.Spec, after.Encoding, after.SpecSeq = e.wire.Body, e.wire.Encoding, seq
	case Observed:
		if !same {
			return before
		}
		after.Status, after.StatusSeq = e.wire.Body, seq
	case Ended:
		if !same {
			return before
		}
		after.Deleted = true
	case Marked:
		return before
	}
	after.Seq, after.At = seq, at
	return &after
}
