package explain

import (
	"segno/events"
	"segno/proto"
)

// scale is the change with which an object came to want as many pods as it does.
type scale struct {
	by   *proto.Envelope // nil when it is not among the versions that are looked at
	from *int32          // nil when the object was made so
	to   *int32
}

// scaleOf finds the newest scale of an object up to a sequence.
func (q *query) scaleOf(key proto.ObjectKey, last proto.Seq) (s scale, err error) {
	var newer *events.Version
	for v, err := range q.versions(key, last) {
		if err != nil {
			return s, err
		}
		obj, err := q.decode(v.Record)
		if err != nil {
			return s, err
		}
		is := replicasOf(obj)
		switch {
		case v.Record.Deleted || is == nil:
			return s, nil
		case s.to == nil:
			s.to = is
		case *is != *s.to:
			s.from, s.by = is, newer.Envelope
			return s, nil
		}
		if v.Record.Created == v.Record.Seq {
			s.by = v.Envelope
			return s, nil
		}
		newer = &v
	}
	return s, nil
}

// sayNone says who made an object want no pods.
func (q *query) sayNone() error {
	s, err := q.scaleOf(q.Key, q.View.Seq())
	switch {
	case err != nil:
		return err
	case s.by == nil:
		q.say("%s has no pods, and wants none.", name(q.Key))
		return nil
	case s.from == nil:
		q.say("%s has no pods, and wants none: %s made it so at %s.", name(q.Key), asked(s.by), at(s.by))
		q.end(s.by, "it is to have no pods")
	default:
		q.say("%s has no pods, and wants none: %s scaled it from %d to %d at %s.", name(q.Key), asked(s.by), *s.from, *s.to, at(s.by))
		q.end(s.by, "it is to have no pods")
	}
	return q.sayRoot(s.by)
}
