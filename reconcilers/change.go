package reconcilers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// Change is one change of one object, as a Watch sees it. The object is
// decoded when it is first asked for.
type Change struct {
	Seq     proto.Seq
	At      time.Time
	Key     proto.ObjectKey
	UID     types.UID
	Section proto.Section

	make   func(r *events.Record) (events.Object, error)
	before side
	after  side
	err    error
}

// side is the object on one side of a change.
type side struct {
	record *events.Record
	object events.Object
}

// newChange wraps a change of the log.
func newChange(decode func(r *events.Record) (events.Object, error), c events.Change) *Change {
	change := &Change{
		Seq: c.Seq, At: c.At, Key: c.Event.Key, UID: types.UID(c.Event.UID), Section: c.Event.Section,
		make: decode, after: side{record: c.After},
	}
	if c.Before != nil && !c.Before.Deleted && c.Before.UID == c.Event.UID {
		change.before.record = c.Before
	}
	if c.Event.Section == proto.SectionGone {
		change.before.record = c.After // its last sections are those from before
		change.after.record = nil
	}
	return change
}

// existing is the change that a resync makes of an object: it is there.
func existing(key proto.ObjectKey, obj events.Object) (*Change, error) {
	seq, err := proto.ParseSeq(obj.GetResourceVersion())
	if err != nil {
		return nil, fmt.Errorf("resync %s: %w", key, err)
	}
	return &Change{
		Seq: seq, Key: key, UID: obj.GetUID(), Section: proto.SectionSpec, after: side{object: obj},
	}, nil
}

// Before is the object before the change; nil for a creation.
func (c *Change) Before() events.Object { return c.decode(&c.before) }

// After is the object after the change; nil for a deletion.
func (c *Change) After() events.Object { return c.decode(&c.after) }

// Object is the object after the change, or for a deletion as it last was.
func (c *Change) Object() events.Object {
	if c.Gone() {
		return c.Before()
	}
	return c.After()
}

// Free tells that nothing ties the life of the object after the change: it has
// no owners, and is not being deleted. A record is not decoded for that.
func (c *Change) Free() bool {
	if r := c.after.record; r != nil && c.after.object == nil && r.Encoding == proto.EncodingProtobuf {
		m := events.ScanMeta(r)
		return len(m.Owners) == 0 && !m.Ends
	}
	obj := c.After()
	return obj != nil && len(obj.GetOwnerReferences()) == 0 && obj.GetDeletionTimestamp() == nil
}

// Created tells whether the object was not there before.
func (c *Change) Created() bool {
	return !c.Gone() && c.before.record == nil && c.before.object == nil
}

// Gone tells whether the object is not there any more.
func (c *Change) Gone() bool { return c.after.record == nil && c.after.object == nil }

// Significant tells a change of what is wanted (creation, deletion, metadata or
// spec) from one of what is (status).
func (c *Change) Significant() bool { return c.Section != proto.SectionStatus }

// decode answers one side. A record that does not decode is remembered as the
// change's error, which the loop looks at after Keys.
func (c *Change) decode(s *side) events.Object {
	if s.object == nil && s.record != nil {
		obj, err := c.make(s.record)
		if err != nil {
			c.err = err
			s.record = nil
			return nil
		}
		s.object = obj
	}
	return s.object
}

// Both answers the object before and after a change with its own type; each
// is the type's zero value (nil) where there is none.
func Both[T events.Object](c *Change) (before, after T) {
	before, _ = c.Before().(T)
	after, _ = c.After().(T)
	return before, after
}

// Of answers Change.Object with its own type.
func Of[T events.Object](c *Change) (obj T, ok bool) {
	obj, ok = c.Object().(T)
	return obj, ok
}

// WhenWanted is a Watch's Keys for the object itself, when what is wanted of it
// changes: not when its status does, which is mostly the reconciler's own work.
func WhenWanted(_ events.View, c *Change) ([]Key, error) {
	if !c.Significant() {
		return nil, nil
	}
	return []Key{c.Key}, nil
}
