package bus

import (
	"context"
	"fmt"
)

// repair compares the log with the fold before the first write.
func (s *Sequencer) repair(ctx context.Context, log *stream) error {
	at := s.cfg.Fold.Position()
	have, err := log.ensure(ctx, at.Seq+1)
	if err != nil {
		return err
	}
	if have.last != at.Seq {
		return fmt.Errorf("the log ends at %s, the fold at %s", have.last, at.Seq)
	}
	return nil
}

func (s *Sequencer) keepAnchor(context.Context) error { return nil }

func (s *Sequencer) compareRest(context.Context, *stream) error { return nil }
