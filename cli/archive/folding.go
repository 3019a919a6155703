package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"

	"segno/events"
	"segno/projections"
	"segno/proto"
)

// fold is what a log is folded into: with its past, or without.
type fold interface {
	Seed(at proto.Position, records iter.Seq2[*events.Record, error]) error
	Commit(entries []proto.Entry) error
	StateHash() proto.Hash
}

// folding is one log on its way into a fold.
type folding struct {
	archive  *Archive
	stream   string
	recorded func(stream string, seq proto.Seq, state proto.Hash) // may be nil
	progress func(done int)                                       // may be nil
	fold     fold
	done     int
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

// run folds the log: the state that it begins with, then its transactions.
func (f *folding) run(ctx context.Context, in *Reader, log Log, fold fold) error {
	start, err := log.Start()
	if err != nil {
		return err
	}
	f.fold = fold
	if err := fold.Seed(start, f.records(in)); err != nil {
		return unfit(err)
	}
	if !f.archive.Header.Redacted && fold.StateHash().String() != log.State {
		return fmt.Errorf("%w: the objects that %s begins with have state hash %s, recorded was %.12s", ErrDamaged, log.Stream, fold.StateHash().Short(), log.State)
	}
	err = f.transactions(ctx, in)
	if len(f.archive.Taken) > 0 {
		f.archive.Differs = 0 // as it must: values are missing
	}
	return err
}

// transactions reads and unpacks the next group while one is folded.
func (f *folding) transactions(ctx context.Context, in *Reader) error {
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
	for i := 0; entry.Redacted && i < len(entry.Envelope.Events); i++ {
		f.taken(entry.Envelope.Events[i].Key)
	}
	if f.stream == proto.StreamEvents && entry.Envelope.Cause.Seq >= entry.Envelope.Seq {
		return fmt.Errorf("%w: transaction %s says that it came of %s, which is not before it", ErrDamaged, entry.Envelope.Seq, entry.Envelope.Cause.Seq)
	}
	return nil
}

func (f *folding) commit(g group) error {
	f.expected = g.states
	if err := f.fold.Commit(g.entries); err != nil {
		return unfit(err)
	}
	f.done += len(g.entries)
	if f.progress != nil {
		f.progress(f.done)
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
	if f.archive.Differs == 0 && f.stream == proto.StreamEvents && state != f.expected[0] {
		f.archive.Differs = seq
	}
	if f.recorded != nil {
		f.recorded(f.stream, seq, f.expected[0])
	}
	f.expected = f.expected[1:]
}
