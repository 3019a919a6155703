package projections

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// rows compares all rows with those of the scratch projection.
func (v *verification) rows(ctx context.Context) error {
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
	if have.Key()[0] == spaceEvent {
		a = a[:min(len(a), len(b))] // the scratch row has the state hash alone; the chain vouches for the rest
	}
	if !bytes.Equal(a, b) {
		v.found(0, describeKey(have.Key()), "is %q, should be %q", describeValue(have.Key(), a), describeValue(want.Key(), b))
		return false, nil
	}
	return true, nil
}

// sum adds up all current objects, read from their sections.
func (v *verification) sum(ctx context.Context) error {
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
		if v.report.Rows++; v.report.Rows%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if total != v.state.sum {
		v.found(v.state.Seq, "", "the current objects have the hash %s, the position says %s", total.hash().Short(), v.state.sum.hash().Short())
	}
	return it.Error()
}
