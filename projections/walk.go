package projections

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

// bounds are the rows of the query's range behind a prefix that ends where the
// namespace begins.
func (l *listing) bounds(prefix []byte) (lower, upper []byte) {
	scope := bytes.Clone(prefix)
	if l.query.Namespace != "" {
		scope = appendText(scope, l.query.Namespace)
	}
	lower, upper = scope, after(scope)
	if l.query.After != (proto.ObjectKey{}) {
		last := appendTexts(bytes.Clone(prefix), l.query.After.Namespace, l.query.After.Name)
		if next := after(last); bytes.Compare(next, lower) > 0 {
			lower = next
		}
	}
	return lower, upper
}

// rows are what is current now, or what an index names now, in key order.
type rows struct {
	iter     *pebble.Iterator
	resource proto.Resource
	prefix   int // where the namespace begins
	started  bool
}

func (l *listing) open(prefix []byte) (*rows, error) {
	it, err := l.iterate(prefix)
	return &rows{iter: it, resource: l.query.Resource, prefix: len(prefix)}, err
}

// iterate opens an iterator over the query's range behind prefix.
func (l *listing) iterate(prefix []byte) (*pebble.Iterator, error) {
	lower, upper := l.bounds(prefix)
	if bytes.Compare(lower, upper) > 0 {
		lower = upper
	}
	return l.view.p.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

func (r *rows) close() error { return r.iter.Close() }

// next answers the next row; ok is false behind the last one. Only rows of what
// is current carry a sequence.
func (r *rows) next() (c candidate, ok bool, err error) {
	if r.started {
		ok = r.iter.Next()
	} else {
		ok, r.started = r.iter.First(), true
	}
	if !ok {
		return c, false, r.iter.Error()
	}
	namespace, name, err := takeTail(r.iter.Key(), r.prefix)
	if err != nil {
		return c, false, err
	}
	c.key = r.resource.Key(namespace, name)
	value, err := r.iter.ValueAndErr()
	if err == nil && len(value) > 0 {
		head := cursor{rest: value}
		c.seq = proto.Seq(head.uint64())
	}
	return c, err == nil, err
}

// mend walks rows as they are now, but visits the objects that were touched behind
// the view's sequence as candidates of unknown version, whatever the rows say.
func (l *listing) mend(r *rows, newer []proto.ObjectKey) error {
	for len(newer) > 0 && !l.behind(newer[0]) {
		newer = newer[1:]
	}
	row, ok, err := r.next()
	for err == nil && (ok || len(newer) > 0) {
		order := -1
		if len(newer) == 0 {
			order = 1
		} else if ok {
			order = events.CompareKeys(newer[0], row.key)
		}
		c := row
		if order <= 0 {
			c = candidate{key: newer[0]}
			newer = newer[1:]
		}
		more, failed := l.visit(c)
		if failed != nil || !more {
			return failed
		}
		if order >= 0 {
			row, ok, err = r.next()
		}
	}
	return err
}

// walkVersions visits every object that has a living version as of the view's
// sequence, by seeking from object to object.
func (l *listing) walkVersions() error {
	prefix := appendResource(nil, spaceVersion, l.query.Resource)
	it, err := l.iterate(prefix)
	if err != nil {
		return err
	}
	defer it.Close()
	var object []byte
	for ok := it.First(); ok; ok = it.SeekGE(after(object)) {
		found, newest := splitVersion(it.Key())
		object = append(object[:0], found...)
		if newest > l.view.seq {
			ok = it.SeekGE(appendVersionSuffix(bytes.Clone(object), l.view.seq))
			if !ok || !bytes.HasPrefix(it.Key(), object) {
				continue
			}
		}
		more, err := l.visitVersion(it, len(prefix))
		if err != nil || !more {
			return err
		}
	}
	return it.Error()
}

func (l *listing) visitVersion(it *pebble.Iterator, prefix int) (more bool, err error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return false, err
	}
	v, err := readVersion(value)
	if err != nil || v.flags&flagDeleted != 0 {
		return err == nil, err
	}
	namespace, name, err := takeTail(it.Key(), prefix)
	if err != nil {
		return false, err
	}
	_, seq := splitVersion(it.Key())
	return l.visit(candidate{key: l.query.Resource.Key(namespace, name), seq: seq})
}
