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
