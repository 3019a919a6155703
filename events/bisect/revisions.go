package bisect

import (
	"context"
	"slices"

	"segno/proto"
)

// revisions looks where one of the objects changed, and nowhere else.
func (f *finder) revisions(ctx context.Context) error {
	f.answer.Method = ByRevisions
	var at []proto.Seq
	for _, key := range f.depends.Objects {
		changes, err := f.log.ChangedAt(key, f.search.From-1, f.search.To)
		if err != nil {
			return err
		}
		at = append(at, changes...)
	}
	slices.Sort(at)
	before, err := f.log.At(f.search.From - 1)
	if err != nil {
		return err
	}
	if f.answer.Already, err = f.holds(ctx, before); err != nil {
		return err
	}
	for _, seq := range slices.Compact(at) {
		if err := ctx.Err(); err != nil {
			return err
		}
		view, err := f.log.At(seq)
		if err != nil {
			return err
		}
		truth, err := f.holds(ctx, view)
		if err != nil {
			return err
		}
		if f.turn(seq, truth) {
			return nil
		}
	}
	return nil
}
