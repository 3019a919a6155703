package projections

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

var errKept = errors.New("the log is kept whole: only a Retained projection drops its beginning")

// DropBefore forgets the transactions before seq, and every object that was not
// touched since: what happens to notes that are old enough. The newest
// transaction always stays. Followers are not told.
func (p *Projection) DropBefore(seq proto.Seq) error {
	if !p.cfg.Retained {
		return fmt.Errorf("drop transactions before %s: %w", seq, errKept)
	}
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.folding.Lock()
	defer p.folding.Unlock()
	if p.broken != nil {
		return fmt.Errorf("drop transactions before %s after a failed write: %w", seq, p.broken)
	}
	return p.drop(seq, true)
}

// DropOlder is DropBefore for everything appended before a moment.
func (p *Projection) DropOlder(at time.Time) error {
	seq, err := p.SeqAt(at.Add(-1))
	if err != nil {
		return err
	}
	return p.DropBefore(seq + 1)
}

// slide drops the history beyond the window, not every time but in portions.
// What is current stays.
func (p *Projection) slide() error {
	st := p.state.Load()
	window := proto.Seq(p.cfg.Window)
	if window == 0 || st.Seq-st.start() <= window+window/4 {
		return nil
	}
	return p.drop(st.Seq-window+1, false)
}

func (p *Projection) drop(cut proto.Seq, expire bool) error {
	for {
		st := *p.state.Load()
		to := min(cut, st.Seq)
		if st.First >= to {
			return nil
		}
		entries, _, err := readSpan(p.db, st.First-1, to-1)
		if err == nil {
			err = p.dropSpan(st, entries, expire)
		}
		if err != nil {
			return fmt.Errorf("drop transactions before %s: %w", cut, err)
		}
	}
}

// dropSpan forgets the oldest transactions in one batch.
func (p *Projection) dropSpan(st state, entries []proto.Entry, expire bool) error {
	batch := p.db.NewBatch()
	defer batch.Close()
	reader, err := p.versions(p.db)
	if err != nil {
		return err
	}
	defer reader.close()
	d := &dropping{p: p, batch: batch, reader: reader, expire: expire, state: st}
	d.state.First = entries[len(entries)-1].Envelope.Seq + 1
	if err := d.span(st.First, entries); err != nil {
		return err
	}
	// Published first: who no longer finds the rows then knows that it is too old.
	p.state.Store(&d.state)
	if err := p.db.Apply(batch, pebble.NoSync); err != nil {
		p.broken = fmt.Errorf("write the batch: %w", err)
		return p.broken
	}
	for _, key := range d.expired {
		p.records.drop(key)
		p.present.remove(key)
	}
	return nil
}

// dropping is one batch of forgetting.
type dropping struct {
	p       *Projection
	batch   *pebble.Batch
	reader  *versions
	expire  bool
	state   state // as it will be
	expired []proto.ObjectKey
}

func (d *dropping) span(first proto.Seq, entries []proto.Entry) error {
	objects := map[proto.ObjectKey]struct{}{}
	for i := range entries {
		env := entries[i].Envelope
		keys := [][]byte{eventKey(env.Seq)}
		if env.Cause.Seq > 0 {
			keys = append(keys, causeKey(env.Cause.Seq, env.Seq))
		}
		if env.Seq%timeEvery == 0 || env.Seq == first {
			keys = append(keys, timeKey(unixNano(env.At), env.Seq))
		}
		if err := d.delete(keys...); err != nil {
			return err
		}
		for j := range env.Events {
			objects[env.Events[j].Key] = struct{}{}
		}
	}
	for key := range objects {
		if err := d.object(key); err != nil {
			return fmt.Errorf("forget %s: %w", key, err)
		}
	}
	return d.close()
}

// close writes the new start of the log.
func (d *dropping) close() error {
	entries, _, err := readSpan(d.p.db, d.state.First-1, d.state.First)
	if err != nil {
		return err
	}
	first := timeKey(unixNano(entries[0].Envelope.At), d.state.First)
	if err := d.batch.Set(first, nil, nil); err != nil {
		return err
	}
	return d.batch.Set([]byte{spacePosition}, d.state.append(nil), nil)
}

func (d *dropping) delete(keys ...[]byte) error {
	for _, key := range keys {
		if err := d.batch.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// object forgets the versions of an object that no moment from the start of the
// log on needs: all but the newest before it, and the rows which that one refers
// to. A tombstone there is not needed either; nor, when expiring, is an object
// that was not touched since.
func (d *dropping) object(key proto.ObjectKey) error {
	newest, err := d.reader.row(key, ^proto.Seq(0))
	if err != nil || newest == nil {
		return err
	}
	base, err := d.reader.row(key, d.state.start())
	if err != nil || base == nil {
		return err
	}
	keep := map[proto.Seq]bool{base.rec.Seq: true, base.rec.SpecSeq: true, base.rec.StatusSeq: true}
	if !base.live() {
		keep = nil
	}
	if d.expire && base.live() && newest.rec.Seq == base.rec.Seq {
		keep = nil
		if err := d.expireObject(base); err != nil {
			return err
		}
	}
	return d.versions(key, keep)
}

func (d *dropping) expireObject(r *row) error {
	r.spec, r.status = sectionHash(r.rec.Spec), sectionHash(r.rec.Status)
	r.finish()
	d.state.sum.sub(r.hash)
	d.expired = append(d.expired, r.rec.Key)
	if err := d.delete(appendObject(nil, spaceCurrent, r.rec.Key)); err != nil {
		return err
	}
	return d.delete(d.p.indexKeys(r)...)
}

// versions deletes those before the start of the log, but for the ones to keep.
func (d *dropping) versions(key proto.ObjectKey, keep map[proto.Seq]bool) error {
	it := d.reader.iter
	for ok := it.SeekPrefixGE(appendVersion(nil, key, d.state.start())); ok; ok = it.Next() {
		if _, seq := splitVersion(it.Key()); keep[seq] {
			continue
		}
		if err := d.delete(it.Key()); err != nil {
			return err
		}
	}
	return it.Error()
}
