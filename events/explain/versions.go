package explain

import (
	"iter"

	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// How far back versions of an object are looked at, and how many are read at
// once: most answers are among the newest few.
const (
	farthest  = 256
	firstPage = 8
	mostPage  = 64
)

// revisit is a walk over the versions of an object from a sequence backwards, as
// far as it has been gone. What is asked twice is read once.
type revisit struct {
	found []events.Version
	next  proto.Seq // to go on from
	page  int
	done  bool
}

// visit says where a walk begins.
type visit struct {
	key  proto.ObjectKey
	last proto.Seq
}

// versions yields an object's versions up to a sequence, newest first.
func (q *query) versions(key proto.ObjectKey, last proto.Seq) iter.Seq2[events.Version, error] {
	return func(yield func(events.Version, error) bool) {
		walk := q.walks[visit{key, last}]
		if walk == nil {
			walk = &revisit{next: last, page: firstPage}
			q.walks[visit{key, last}] = walk
		}
		for i := 0; ; i++ {
			if i == len(walk.found) && !walk.done {
				if err := q.readOn(key, walk); err != nil {
					yield(events.Version{}, err)
					return
				}
			}
			if i == len(walk.found) || !yield(walk.found[i], nil) {
				return
			}
		}
	}
}

// readOn reads a further page of a walk.
func (q *query) readOn(key proto.ObjectKey, walk *revisit) error {
	found, err := q.Past.Versions(key, walk.next, walk.page)
	if err != nil {
		return err
	}
	walk.found = append(walk.found, found...)
	walk.done = len(found) < walk.page || len(walk.found) >= farthest || found[len(found)-1].Record.Seq <= 1
	if !walk.done {
		walk.next, walk.page = found[len(found)-1].Record.Seq-1, min(walk.page*2, mostPage)
	}
	return nil
}

// decode reads a record, once.
func (q *query) decode(r *events.Record) (events.Object, error) {
	if obj, ok := q.decoded[r]; ok {
		return obj, nil
	}
	obj, err := q.Table.Decode(r)
	if err == nil {
		q.decoded[r] = obj
	}
	return obj, err
}

// run is a time, as far as versions tell, during which something was so.
type run struct {
	// began is the version with which it became so; of the earliest looked at,
	// when whole is not set.
	began *events.Version
	whole bool
	// ended is the version with which it ceased; nil when it is so still.
	ended *events.Version
}

// latest finds the newest run, up to a sequence, in which holds was true of the
// object of that UID; began is nil when it never was. A run that is over counts
// only when past is set.
func (q *query) latest(key proto.ObjectKey, uid types.UID, last proto.Seq, past bool, holds func(obj events.Object) bool) (r run, err error) {
	for v, err := range q.versions(key, last) {
		if err != nil {
			return r, err
		}
		if types.UID(v.Record.UID) != uid {
			r.whole = true
			return r, nil
		}
		obj, err := q.decode(v.Record)
		if err != nil {
			return r, err
		}
		switch so := !v.Record.Deleted && holds(obj); {
		case so:
			r.began = &v
		case r.began != nil:
			r.whole = true
			return r, nil
		case !past:
			return r, nil
		default:
			r.ended = &v
		}
		if v.Record.Created == v.Record.Seq {
			r.whole = true
			return r, nil
		}
	}
	return r, nil
}

// since is the run that goes on as of the moment; nil when there is none.
func (q *query) since(key proto.ObjectKey, uid types.UID, holds func(obj events.Object) bool) (*run, error) {
	r, err := q.latest(key, uid, q.View.Seq(), false, holds)
	if err != nil || r.began == nil {
		return nil, err
	}
	return &r, nil
}

// as makes a condition on objects of one type.
func as[T events.Object](holds func(T) bool) func(events.Object) bool {
	return func(obj events.Object) bool {
		typed, ok := obj.(T)
		return ok && holds(typed)
	}
}
