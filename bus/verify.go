package bus

import (
	"context"
	"errors"
	"fmt"

	"segno/proto"
)

// compareRest compares what the start left out. It stops the sequencer when
// the log is not what it was: the next start then compares and mends all of it.
func (s *Sequencer) compareRest(ctx context.Context, r *repairer, to proto.Seq) error {
	if to == 0 {
		return nil
	}
	err := r.compare(ctx, 1, to)
	if ctx.Err() != nil {
		return nil
	}
	if isDamage(err) {
		s.suspect.Store(true)
		return fmt.Errorf("the log in %s is damaged at %w; start again, and it is repaired from the fold", r.dir, err)
	}
	return err
}

// Verify compares the whole log, as it is on disk, with the fold, and the
// fold with its own hash chain. It runs beside the cluster and changes nothing.
func (s *Sequencer) Verify(ctx context.Context, progress func(done, total proto.Seq)) error {
	r := s.repaired.Load()
	if r == nil {
		return errors.New("verify the log: it is not open")
	}
	own := *r
	own.progress = progress
	have, err := own.log.ensure(ctx, 1)
	if err != nil {
		return err
	}
	if err := own.compare(ctx, max(have.first, own.oldest(own.fold.Position())), s.Durable()); err != nil {
		return fmt.Errorf("verify the log in %s: %w", own.dir, err)
	}
	if err := own.whole(ctx, own.oldest(own.fold.Position())); err != nil {
		return fmt.Errorf("verify the log: %w", err)
	}
	return nil
}
