package projections

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

// view is the cluster at one sequence. It holds nothing open: versions never
// change, and a list mends what the current rows have become since.
type view struct {
	p   *Projection
	seq proto.Seq
}

var (
	_ events.View  = view{}
	_ events.Dated = view{}
)

// View is the newest durable state.
func (p *Projection) View() events.View { return view{p: p, seq: p.state.Load().Seq} }

// At is the state as it was after a transaction; 0 is before the first one.
func (p *Projection) At(seq proto.Seq) (events.View, error) {
	switch st := p.state.Load(); {
	case seq > st.Seq:
		return nil, p.outside("read as of", seq, ErrFuture)
	case seq < st.start():
		return nil, p.outside("read as of", seq, ErrTooOld)
	}
	return view{p: p, seq: seq}, nil
}

// Seq is the newest transaction that the view includes.
func (v view) Seq() proto.Seq { return v.seq }

// Get answers one object, or nil when there is none.
func (v view) Get(key proto.ObjectKey) (events.Object, error) {
	if err := v.p.enter(); err != nil {
		return nil, err
	}
	defer v.p.leave()
	if r, ok := v.p.records.get(key); ok && r.rec.Seq <= v.seq {
		if !r.live() {
			return nil, nil
		}
		if obj, ok := v.p.objects.get(versionID{key, r.rec.Seq}); ok {
			return obj, nil
		}
		if r.lacks == 0 {
			return v.p.objectOf(r.rec)
		}
	}
	if !v.p.present.may(key) && v.p.recent.untouched(key, v.seq) {
		return nil, nil
	}
	return v.find(key)
}

// StatusSeq implements events.Dated.
func (v view) StatusSeq(key proto.ObjectKey) (proto.Seq, error) {
	_, status, err := v.dates(key)
	return status, err
}

// CreatedSeq implements events.Dated.
func (v view) CreatedSeq(key proto.ObjectKey) (proto.Seq, error) {
	created, _, err := v.dates(key)
	return created, err
}

// dates are the transactions that made an object and last wrote its status.
func (v view) dates(key proto.ObjectKey) (created, status proto.Seq, err error) {
	if err := v.p.enter(); err != nil {
		return 0, 0, err
	}
	defer v.p.leave()
	if r, ok := v.p.records.get(key); ok && r.rec.Seq <= v.seq {
		if !r.live() {
			return 0, 0, nil
		}
		return r.rec.Created, r.rec.StatusSeq, nil
	}
	reader, err := v.open()
	if err != nil {
		return 0, 0, err
	}
	defer reader.close()
	_, is, ok, err := reader.newest(key, v.seq)
	if err != nil || !ok || is.flags&flagDeleted != 0 {
		return 0, 0, v.p.cfg.explain(err)
	}
	return is.created, is.statusSeq, nil
}

// find answers one object from its versions. Who reads a past moment asks for
// it again, so the object is remembered under that moment as well.
func (v view) find(key proto.ObjectKey) (events.Object, error) {
	st := v.p.state.Load()
	if obj, ok := v.p.objects.get(versionID{key, v.seq}); ok && v.seq >= st.start() {
		return obj, nil
	}
	reader, err := v.open()
	if err != nil {
		return nil, err
	}
	defer reader.close()
	obj, err := v.p.objectAt(reader, key, v.seq)
	if obj != nil && v.seq < st.Seq {
		v.p.objects.put(versionID{key, v.seq}, obj)
	}
	return obj, v.p.cfg.explain(err)
}

// open opens a reader, and makes sure that the view's versions were not dropped
// before that.
func (v view) open() (*versions, error) {
	reader, err := v.p.versions(v.p.db)
	if err == nil && v.seq < v.p.state.Load().start() {
		err = errors.Join(v.p.outside("read as of", v.seq, ErrTooOld), reader.close())
	}
	return reader, err
}

// versionID names an object as of a sequence: of its version or of a later one.
type versionID struct {
	key proto.ObjectKey
	seq proto.Seq
}

// objectAt reads an object as of seq; nil when it did not live then.
func (p *Projection) objectAt(reader *versions, key proto.ObjectKey, seq proto.Seq) (events.Object, error) {
	at, v, ok, err := reader.newest(key, seq)
	if err != nil || !ok || v.flags&flagDeleted != 0 {
		return nil, err
	}
	if obj, ok := p.objects.get(versionID{key, at}); ok {
		return obj, nil
	}
	r, err := reader.complete(key, at, v)
	if err != nil {
		return nil, err
	}
	return p.objectOf(r.rec)
}

// decode decodes a record. One that does not decode fails whatever read of it,
// a list included: to whom an object were kept back, it would be gone, and what
// depends on it would go, too.
func (p *Projection) decode(rec *events.Record) (events.Object, error) {
	obj, err := p.table.Decode(rec)
	if err != nil {
		return nil, fmt.Errorf("%w: the fold is damaged, which segno verify tells, or another version of segno wrote this object, and is to be started instead", err)
	}
	return obj, nil
}

// objectOf decodes a record that is an object's last one of its sequence and
// lives: what reads of that moment are then answered with.
func (p *Projection) objectOf(rec *events.Record) (events.Object, error) {
	id := versionID{rec.Key, rec.Seq}
	if obj, ok := p.objects.get(id); ok {
		return obj, nil
	}
	obj, err := p.decode(rec)
	if err != nil {
		return nil, err
	}
	p.objects.put(id, obj)
	return obj, nil
}

// Object decodes a record of a Change, once for all followers who ask, and for
// those who then read it. The object is shared.
func (p *Projection) Object(rec *events.Record) (events.Object, error) {
	if r, ok := p.records.get(rec.Key); ok && r.rec == rec && r.live() {
		return p.objectOf(rec) // the newest one is the last of its sequence
	}
	if obj, ok := p.decoded.get(rec); ok {
		return obj, nil
	}
	obj, err := p.decode(rec)
	if err != nil {
		return nil, err
	}
	p.decoded.put(rec, obj)
	return obj, nil
}

// versions opens a reader of objects; it is to be closed.
func (p *Projection) versions(db pebble.Reader) (*versions, error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceVersion}, UpperBound: []byte{spaceVersion + 1}})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return &versions{iter: it}, nil
}
