package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"segno/events"
	"segno/proto"
)

// Records yields every object that lived after a transaction, with both its
// sections, in key order: a snapshot of any moment that can be read. The records
// are the caller's. The last thing it yields may be an error.
func (p *Projection) Records(ctx context.Context, seq proto.Seq) iter.Seq2[*events.Record, error] {
	return func(yield func(*events.Record, error) bool) {
		if err := p.eachRecord(ctx, seq, yield); err != nil {
			yield(nil, fmt.Errorf("read the objects as of %s: %w", seq, p.cfg.explain(err)))
		}
	}
}

func (p *Projection) eachRecord(ctx context.Context, seq proto.Seq, yield func(*events.Record, error) bool) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	reader, it, err := p.openRecords(seq)
	if err != nil {
		return err
	}
	defer reader.close()
	defer it.Close()
	for object, at := nextObject(it, nil, seq); object != nil; object, at = nextObject(it, object, seq) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if at == 0 {
			continue // it came later
		}
		rec, err := p.recordHere(it, reader, at)
		if err != nil {
			return err
		}
		if rec != nil && !yield(rec, nil) {
			return nil
		}
	}
	return it.Error()
}

// openRecords opens what reads all objects of a moment. Nothing is folded and
// nothing dropped meanwhile: both iterators then have exactly the rows of the
// beginning of the log that the moment was compared with.
func (p *Projection) openRecords(seq proto.Seq) (*versions, *pebble.Iterator, error) {
	p.folding.Lock()
	defer p.folding.Unlock()
	if _, err := p.At(seq); err != nil {
		return nil, nil, err
	}
	reader, err := p.versions(p.db)
	if err != nil {
		return nil, nil, err
	}
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceVersion}, UpperBound: []byte{spaceVersion + 1}})
	if err != nil {
		return nil, nil, errors.Join(err, reader.close())
	}
	return reader, it, nil
}

// nextObject moves to the next object's newest version at or before seq. at is 0
// when the object had none by then; object is nil behind the last one.
func nextObject(it *pebble.Iterator, last []byte, seq proto.Seq) (object []byte, at proto.Seq) {
	var ok bool
	if last == nil {
		ok = it.First()
	} else {
		ok = it.SeekGE(after(last))
	}
	if !ok {
		return nil, 0
	}
	found, newest := splitVersion(it.Key())
	object = append(last[:0], found...)
	if newest <= seq {
		return object, newest
	}
	if !it.SeekGE(appendVersionSuffix(bytes.Clone(object), seq)) {
		return object, 0
	}
	if found, newest = splitVersion(it.Key()); !bytes.Equal(found, object) {
		return object, 0
	}
	return object, newest
}

// recordHere is the living object whose version the iterator stands on; nil for a
// tombstone.
func (p *Projection) recordHere(it *pebble.Iterator, reader *versions, at proto.Seq) (*events.Record, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	v, err := readVersion(value)
	if err != nil || v.flags&flagDeleted != 0 {
		return nil, err
	}
	key, err := takeObject(it.Key())
	if err != nil {
		return nil, err
	}
	r, err := reader.complete(key, at, v)
	if err != nil {
		return nil, err
	}
	return r.rec, nil
}
