package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// Report is what Verify found.
type Report struct {
	Position  proto.Position
	StateHash proto.Hash // as it was found
	Events    int        // transactions whose chain was checked
	Redacted  int        // of them: something was taken out, which nobody can prove
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
// projection, whose state hashes and rows must be the same. A log that began with
// a snapshot is folded again over that. Of a log whose beginning was dropped,
// which cannot be folded again, the chain and the sum over all current objects
// are checked. progress may be nil.
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
		v.found(0, "", "%v", p.cfg.explain(err))
	}
	return v.report, nil
}

// verification is one Verify under way.
type verification struct {
	p        *Projection
	snapshot *pebble.Snapshot
	state    *state
	start    proto.Position // what the log begins behind, where that is known
	scratch  *Projection    // nil when the log cannot be folded again
	progress func(done, total int)
	report   Report
}

func (v *verification) found(seq proto.Seq, row, format string, args ...any) {
	if v.report.Problem == nil {
		v.report.Problem = &Problem{Seq: seq, Row: row, What: fmt.Sprintf(format, args...)}
	}
}

func (v *verification) run(ctx context.Context) error {
	var err error
	if v.state, err = v.stateIn(spacePosition); err != nil || v.state == nil {
		return err
	}
	v.report.Position, v.report.StateHash = v.state.Position, v.state.sum.hash()
	begin, err := v.stateIn(spaceStart)
	if err != nil {
		return err
	}
	if begin == nil || begin.Seq != v.state.start() {
		begin = nil
	}
	if v.state.First > 1 && begin == nil {
		return v.steps(ctx, v.chain, v.sum)
	}
	scratch, remove, err := v.p.openScratch()
	if err != nil {
		return err
	}
	defer remove()
	v.scratch = scratch
	if begin != nil {
		v.start = begin.Position
		if err := v.seed(ctx, begin); err != nil || v.report.Problem != nil {
			return err
		}
	}
	return v.steps(ctx, v.chain, v.rows)
}

// stateIn reads a row that holds one; nil when there is none.
func (v *verification) stateIn(space byte) (*state, error) {
	value, closer, err := v.snapshot.Get([]byte{space})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return readState(value)
}

// seed begins the scratch projection as the log began: with a snapshot.
func (v *verification) seed(ctx context.Context, begin *state) error {
	if err := v.scratch.Seed(begin.Position, v.p.Records(ctx, begin.Seq)); err != nil {
		return err
	}
	if found := v.scratch.StateHash(); found != begin.sum.hash() {
		v.found(begin.Seq, "", "the objects that the log begins with have the hash %s, recorded was %s", found.Short(), begin.sum.hash().Short())
	}
	return nil
}

// steps runs one after the other until one finds something.
func (v *verification) steps(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil || v.report.Problem != nil {
			return err
		}
	}
	return nil
}

// chain checks that each transaction names the hash of the one before, and folds
// it.
func (v *verification) chain(ctx context.Context) error {
	at := proto.Position{Seq: v.state.start(), Hash: v.start.Hash}
	for at.Seq < v.state.Seq {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, states, err := readRows(v.snapshot, at.Seq, v.state.Seq)
		if at = v.follow(at, entries); v.report.Problem != nil {
			return nil
		}
		if err != nil || len(entries) == 0 {
			v.found(at.Seq+1, "", "cannot be read: %v", cmp.Or(err, errRow))
			return nil
		}
		if err := v.refold(entries, states); err != nil || v.report.Problem != nil {
			return err
		}
		if v.progress != nil {
			v.progress(v.report.Events, int(v.state.Seq-v.state.start()))
		}
	}
	if at.Hash != v.state.Hash && v.report.Events > 0 {
		v.found(v.state.Seq, "", "has hash %s, the position says %s", at.Hash.Short(), v.state.Hash.Short())
	}
	return nil
}

// follow goes along the chain as far as it holds.
func (v *verification) follow(at proto.Position, entries []proto.Entry) proto.Position {
	for i := range entries {
		env := entries[i].Envelope
		first := env.Seq == v.state.First && v.start.Seq == 0 && env.Seq > 1 // what came before it is gone
		switch {
		case env.Seq != at.Seq+1:
			v.found(at.Seq+1, "", "is missing, or another one (%s) lies in its place", env.Seq)
			return at
		case entries[i].Redacted && !v.p.cfg.Redacted:
			v.found(env.Seq, "", "is not whole: something was taken out of it")
			return at
		case env.Prev != at.Hash && !first:
			v.found(env.Seq, "", "says that its predecessor has hash %s, but that has %s", env.Prev.Short(), at.Hash.Short())
			return at
		}
		at.Seq, at.Hash = env.Seq, entries[i].Hash
		v.report.Events++
		if entries[i].Redacted {
			v.report.Redacted++
		}
	}
	return at
}

// refold folds entries into the scratch projection and compares the state hash
// after each.
func (v *verification) refold(entries []proto.Entry, states []proto.Hash) error {
	if v.scratch == nil {
		return nil
	}
	if err := v.scratch.Commit(entries, nil); err != nil {
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
