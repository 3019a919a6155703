package bus

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"segno/proto"
)

// catchUpBytes is how much is folded in one batch while catching up.
const catchUpBytes = 8 << 20

// Archive reads the transactions that epochs had which were dropped from the
// log, in order: all from the first to end, of the history that leads to its hash.
// The hash is zero where nothing tells it any more.
type Archive func(ctx context.Context, end proto.Position, each func(seq proto.Seq, encoded []byte) error) error

// source reads transactions in order: all between from and to.
type source func(ctx context.Context, from, to proto.Seq, each func(seq proto.Seq, encoded []byte) error) error

// catchUp folds the transactions between from and to, which follow at, out of
// the log or an archive. It reads and checks ahead of the fold. What lies before
// a damage is folded.
func (r *repairer) catchUp(ctx context.Context, in source, at proto.Position, from, to proto.Seq) error {
	groups := make(chan []proto.Entry, 2)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		for group := range groups {
			last := group[len(group)-1].Envelope.Seq
			if err := r.fold.Commit(group, nil); err != nil {
				return fmt.Errorf("fold %s to %s: %w", group[0].Envelope.Seq, last, err)
			}
			r.tell(last, to)
		}
		return nil
	})
	var damaged error // told apart from what ends the folding
	both.Go(func() error {
		defer close(groups)
		err := r.ahead(ctx, in, groups, at, from, to)
		if isDamage(err) {
			damaged = err
			return nil
		}
		return err
	})
	return errors.Join(both.Wait(), damaged)
}

// ahead reads transactions, checks that each follows the one before, and
// hands them over in groups.
func (r *repairer) ahead(ctx context.Context, in source, groups chan<- []proto.Entry, at proto.Position, from, to proto.Seq) error {
	var group []proto.Entry
	size := 0
	hand := func() error {
		if len(group) == 0 {
			return nil
		}
		select {
		case groups <- group:
			group, size = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := in(ctx, from, to, func(seq proto.Seq, data []byte) error {
		entry, err := link(at, seq, data)
		if err == nil {
			err = r.anchor.check(entry)
		}
		if err == nil && r.log != nil && entry.Envelope.Epoch != r.part.number {
			err = &damage{seq: seq, want: fmt.Sprintf("a transaction of epoch %d", r.part.number), found: fmt.Sprintf("one of epoch %d", entry.Envelope.Epoch)}
		}
		if err != nil {
			return err
		}
		at = after(entry)
		group, size = append(group, entry), size+len(data)
		if len(group) < groupLength && size < catchUpBytes {
			return nil
		}
		return hand()
	})
	if err == nil || isDamage(err) {
		err = errors.Join(hand(), err)
	}
	return err
}
