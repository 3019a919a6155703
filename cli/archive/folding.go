package archive

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"segno/projections"
	"segno/proto"
)

// folding is one log on its way into a projection.
type folding struct {
	archive *Archive
	stream  string
	fold    *projections.Projection
	cfg     OpenConfig
	done    int
	// expected are the state hashes that were recorded after the transactions to
	// be folded next.
	expected []proto.Hash
}

// group is some transactions, and the state hash that was recorded after each.
type group struct {
	entries []proto.Entry
	states  []proto.Hash
	bytes   int
}

// run reads and unpacks the next group while one is folded.
func (f *folding) run(ctx context.Context, in *Reader) error {
	groups := make(chan group, 1)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		defer close(groups)
		return f.read(ctx, in, groups)
	})
	both.Go(func() error {
		for g := range groups {
			if err := f.commit(g); err != nil {
				return err
			}
		}
		return nil
	})
	return both.Wait()
}

func (f *folding) read(ctx context.Context, in *Reader, groups chan<- group) error {
	var g group
	hand := func() error {
		if len(g.entries) == 0 {
			return nil
		}
		select {
		case groups <- g:
			g = group{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for entry, err := range in.Entries() {
		if err == nil {
			err = f.check(&entry)
		}
		if err != nil {
			return err
		}
		g.entries, g.states = append(g.entries, entry.Entry), append(g.states, entry.State)
		if g.bytes += len(entry.Encoded); len(g.entries) < foldAtOnce && g.bytes < foldBytes {
			continue
		}
		if err := hand(); err != nil {
			return err
		}
	}
	return hand()
}

// check compares a transaction with the hash that lies beside it, and makes sure
// that its cause came before it: whoever climbs from cause to cause counts on an end.
func (f *folding) check(entry *projections.Recorded) error {
	hash := proto.HashOf(entry.Encoded)
	if entry.Redacted = hash != entry.Hash; entry.Redacted && !f.archive.Header.Redacted {
		return fmt.Errorf("%w: transaction %s has hash %s, recorded was %s", ErrDamaged, entry.Envelope.Seq, hash.Short(), entry.Hash.Short())
	}
	if f.stream == proto.StreamEvents && entry.Envelope.Cause.Seq >= entry.Envelope.Seq {
		return fmt.Errorf("%w: transaction %s says that it came of %s, which is not before it", ErrDamaged, entry.Envelope.Seq, entry.Envelope.Cause.Seq)
	}
	return nil
}

func (f *folding) commit(g group) error {
	f.expected = g.states
	if err := f.fold.Commit(g.entries, nil); err != nil {
		return unfit(err)
	}
	f.done += len(g.entries)
	if f.cfg.Progress != nil {
		f.cfg.Progress(f.done)
	}
	return nil
}

// unfit tells what does not fold from a disk that is full.
func unfit(err error) error {
	if errors.Is(err, projections.ErrGap) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// folded compares the state after a transaction with the recorded one.
func (f *folding) folded(seq proto.Seq, state proto.Hash) {
	if !f.archive.Header.Redacted && f.archive.Differs == 0 && f.stream == proto.StreamEvents && state != f.expected[0] {
		f.archive.Differs = seq
	}
	if f.cfg.Recorded != nil {
		f.cfg.Recorded(f.stream, seq, f.expected[0])
	}
	f.expected = f.expected[1:]
}
