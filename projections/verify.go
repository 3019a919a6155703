package projections

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// Report is what Verify found.
type Report struct {
	Position  proto.Position
	StateHash proto.Hash // as it was found
	Events    int        // transactions whose chain was checked
	Rows      int        // rows compared with a fold from nothing
	Problem   *Problem   // the first one; nil when all is well
}

// Problem is a place where the projection is not what its log says.
type Problem struct {
	Seq  proto.Seq // transaction, 0 when it is not about one
	Row  string    // the row, in the words of Dump
	What string
}

// String is one sentence.
func (p *Problem) String() string {
	if p.Row == "" {
		return fmt.Sprintf("transaction %s: %s", p.Seq, p.What)
	}
	return fmt.Sprintf("row %s: %s", p.Row, p.What)
}

// Verify proves the projection as it is now, beside running commits: the hash
// chain over all events, then the events folded from nothing into a scratch
// projection, whose state hashes and rows must be the same. Of a log whose
// beginning was dropped, which cannot be folded again, the chain and the sum over
// all current objects are checked. progress may be nil.
//
// The error tells that verifying failed; what it found is in the report.
func (p *Projection) Verify(ctx context.Context, progress func(done, total int)) (Report, error) {
	if err := p.enter(); err != nil {
		return Report{}, err
	}
	defer p.leave()
	p.verifying.Lock()
	defer p.verifying.Unlock()
	snapshot := p.db.NewSnapshot()
	defer snapshot.Close()
	v := &verification{p: p, snapshot: snapshot, progress: progress}
	if err := v.run(ctx); err != nil {
		if !pebble.IsCorruptionError(err) {
			return v.report, fmt.Errorf("verify: %w", err)
		}
		v.found(0, "", "%v", err)
	}
	return v.report, nil
}

// verification is one Verify under way.
type verification struct {
	p        *Projection
	snapshot *pebble.Snapshot
	state    *state
	scratch  *Projection // nil when the log cannot be folded from nothing
	progress func(done, total int)
	report   Report
}

func (v *verification) found(seq proto.Seq, row, format string, args ...any) {
	if v.report.Problem == nil {
		v.report.Problem = &Problem{Seq: seq, Row: row, What: fmt.Sprintf(format, args...)}
	}
}

func (v *verification) run(ctx context.Context) error {
	value, closer, err := v.snapshot.Get([]byte{spacePosition})
	if err == pebble.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if v.state, err = readState(value); err != nil {
		return err
	}
	v.report.Position, v.report.StateHash = v.state.Position, v.state.sum.hash()
	if v.state.First > 1 {
		return v.steps(v.chain(ctx), v.sum)
	}
	scratch, remove, err := v.p.openScratch()
	if err != nil {
		return err
	}
	defer remove()
	v.scratch = scratch
	return v.steps(v.chain(ctx), v.rows(ctx))
}

// steps runs one after the other until one finds something.
func (v *verification) steps(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil || v.report.Problem != nil {
			return err
		}
	}
	return nil
}

// openScratch makes an empty projection beside this one.
func (p *Projection) openScratch() (scratch *Projection, remove func(), err error) {
	cfg := Config{Table: p.table, CacheBytes: 4 << 20, MemTableSize: 8 << 20, FeedBytes: 1}
	if p.cfg.Dir != "" {
		cfg.Dir, cfg.FS = p.cfg.Dir+".verify", p.cfg.FS
		if err := cfg.FS.RemoveAll(cfg.Dir); err != nil {
			return nil, nil, fmt.Errorf("remove %s: %w", cfg.Dir, err)
		}
	}
	scratch, err = Open(cfg)
	if err != nil {
		return nil, nil, err
	}
	return scratch, func() {
		_ = scratch.Close() // nothing in it is wanted any more
		if cfg.Dir != "" {
			_ = cfg.FS.RemoveAll(cfg.Dir) // the next Verify removes what is left
		}
	}, nil
}

// chain checks that each transaction names the hash of the one before, and folds
// it.
func (v *verification) chain(ctx context.Context) func() error {
	return func() error {
		var hash proto.Hash
		total := int(v.state.Seq - v.state.start())
		for at := v.state.start(); at < v.state.Seq; {
			if err := ctx.Err(); err != nil {
				return err
			}
			entries, states, err := readRows(v.snapshot, at, v.state.Seq)
			if len(entries) == 0 && err == nil {
				err = errRow
			}
			for i := range entries {
				env := entries[i].Envelope
				if env.Seq != at+1 {
					v.found(at+1, "", "is missing, or another one (%s) lies in its place", env.Seq)
					return nil
				}
				if env.Prev != hash && (i > 0 || at > v.state.start() || env.Seq == 1) {
					v.found(env.Seq, "", "says that its predecessor has hash %s, but that has %s", env.Prev.Short(), hash.Short())
					return nil
				}
				at, hash = env.Seq, entries[i].Hash
			}
			if err != nil {
				v.found(at+1, "", "%v", err)
				return nil
			}
			if err := v.refold(entries, states); err != nil || v.report.Problem != nil {
				return err
			}
			v.report.Events += len(entries)
			if v.progress != nil {
				v.progress(v.report.Events, total)
			}
		}
		if hash != v.state.Hash {
			v.found(v.state.Seq, "", "has hash %s, the position says %s", hash.Short(), v.state.Hash.Short())
		}
		return nil
	}
}

// refold folds entries into the scratch projection and compares the state hash
// after each.
func (v *verification) refold(entries []proto.Entry, states []proto.Hash) error {
	if v.scratch == nil {
		return nil
	}
	if err := v.scratch.Commit(entries); err != nil {
		return err
	}
	if v.scratch.StateHash() == states[len(states)-1] {
		return nil
	}
	for i := range entries {
		seq := entries[i].Envelope.Seq
		hash, err := v.scratch.StateHashAt(seq)
		if err != nil {
			return err
		}
		if hash != states[i] {
			v.found(seq, "", "the state after it has hash %s, folded again it has %s", states[i].Short(), hash.Short())
			return nil
		}
	}
	return nil
}

// rows compares all rows with those of the scratch projection.
func (v *verification) rows(ctx context.Context) func() error {
	return func() error {
		have, err := v.snapshot.NewIter(nil)
		if err != nil {
			return err
		}
		defer have.Close()
		want, err := v.scratch.db.NewIter(nil)
		if err != nil {
			return err
		}
		defer want.Close()
		for a, b := have.First(), want.First(); a || b; a, b = have.Next(), want.Next() {
			if v.report.Rows++; v.report.Rows%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if same, err := v.sameRow(have, want); err != nil || !same {
				return err
			}
		}
		if err := have.Error(); err != nil {
			return err
		}
		return want.Error()
	}
}

func (v *verification) sameRow(have, want *pebble.Iterator) (bool, error) {
	switch {
	case !have.Valid() && have.Error() != nil:
		return false, have.Error()
	case !have.Valid() || want.Valid() && bytes.Compare(want.Key(), have.Key()) < 0:
		v.found(0, describeKey(want.Key()), "is missing")
		return false, nil
	case !want.Valid() || bytes.Compare(have.Key(), want.Key()) < 0:
		v.found(0, describeKey(have.Key()), "should not be there")
		return false, nil
	}
	a, err := have.ValueAndErr()
	if err != nil {
		return false, err
	}
	b, err := want.ValueAndErr()
	if err != nil {
		return false, err
	}
	if !bytes.Equal(a, b) {
		v.found(0, describeKey(have.Key()), "is %q, should be %q", describeValue(have.Key(), a), describeValue(want.Key(), b))
		return false, nil
	}
	return true, nil
}

// sum adds up all current objects, read from their sections.
func (v *verification) sum() error {
	it, err := v.snapshot.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceCurrent}, UpperBound: []byte{spaceCurrent + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	reader, err := v.p.versions(v.snapshot)
	if err != nil {
		return err
	}
	defer reader.close()
	var total sum
	for ok := it.First(); ok; ok = it.Next() {
		key, err := takeObject(it.Key())
		if err != nil {
			return err
		}
		r, err := reader.row(key, v.state.Seq)
		if err != nil {
			return err
		}
		if !r.live() {
			v.found(0, describeKey(it.Key()), "has no living version")
			return nil
		}
		r.spec, r.status = sectionHash(r.rec.Spec), sectionHash(r.rec.Status)
		r.finish()
		total.add(r.hash)
		v.report.Rows++
	}
	if total != v.state.sum {
		v.found(v.state.Seq, "", "the current objects have the hash %s, the position says %s", total.hash().Short(), v.state.sum.hash().Short())
	}
	return it.Error()
}
