package bus

import (
	"context"
	"fmt"

	"segno/proto"
)

// compareRest compares what the start left out. It stops the sequencer when
// the log is not what it was: the next start then compares and mends all of it.
func (s *Sequencer) compareRest(ctx context.Context, r *repairer, to proto.Seq) error {
	if to == 0 {
		return nil
	}
	for _, p := range s.epochs.all() {
		err := s.comparePart(ctx, r, p, to)
		if ctx.Err() != nil {
			return nil
		}
		if isDamage(err) {
			s.suspect.Store(true)
			return fmt.Errorf("the log in %s is damaged at %w; start again, and it is repaired from the fold", r.dir, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// comparePart compares one epoch, unless it is dropped; meanwhile it cannot be.
func (s *Sequencer) comparePart(ctx context.Context, r *repairer, p part, to proto.Seq) error {
	free, there := s.epochs.hold(p.number)
	defer free()
	if !there || p.first > to {
		return nil
	}
	own, err := r.of(p)
	if err != nil {
		return err
	}
	return own.compare(ctx, p.first, p.end(to))
}
