package bus

import (
	"context"
	"fmt"

	"segno/proto"
)

// roll adds the next epoch.
func (e *epochs) roll(next part) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parts[len(e.parts)-1].last = next.first - 1
	e.parts = append(e.parts, next)
}

// rollRequest asks the decide loop to begin a new epoch.
type rollRequest struct{ done chan error }

// Roll seals the epoch that is written and begins the next one. Writes wait
// meanwhile; none is lost or refused.
func (s *Sequencer) Roll(ctx context.Context) error {
	if s.cfg.Stream != proto.StreamEvents {
		return fmt.Errorf("roll %s: %w", s.cfg.Stream, ErrNoEpochs)
	}
	if err := s.Ready(ctx); err != nil {
		return err
	}
	r := &rollRequest{done: make(chan error, 1)}
	select {
	case s.rolls <- r:
	case <-s.stopped:
		return s.unavailable(ctx, s.reason)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-s.stopped:
		return s.unavailable(ctx, s.reason)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// written is the epoch that a start goes on with.
func (s *Sequencer) written(ctx context.Context, log *journal) (inEpoch, error) {
	parts := s.epochs.all()
	now := inEpoch{part: parts[len(parts)-1]}
	now.stream = proto.EpochStream(s.cfg.Stream, now.number)
	if s.cfg.Stream != proto.StreamEvents {
		return now, nil
	}
	have, err := log.find(ctx)
	if err != nil {
		return now, err
	}
	now.bytes = int64(have[now.number].bytes)
	if now.first > s.cfg.Fold.Position().Seq {
		return now, nil
	}
	encoded, err := s.cfg.Fold.Encoded(now.first)
	if err != nil {
		return now, fmt.Errorf("read transaction %s of the fold: %w", now.first, err)
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		return now, fmt.Errorf("transaction %s of the fold: %w", now.first, err)
	}
	now.began = env.At
	return now, nil
}

// due tells whether the epoch is large or old enough.
func (w *writer) due() bool {
	cfg := &w.seq.cfg
	if cfg.Stream != proto.StreamEvents || w.epoch.began.IsZero() {
		return false
	}
	return cfg.EpochBytes > 0 && w.epoch.bytes >= cfg.EpochBytes ||
		cfg.EpochAge > 0 && w.next.At.Sub(w.epoch.began) >= cfg.EpochAge
}

// rollFor rolls because somebody asked. An error that it answers itself is one
// that ends the loop.
func (w *writer) rollFor(ctx context.Context, r *rollRequest) error {
	if w.next.Seq < w.epoch.first {
		r.done <- fmt.Errorf("roll %s: epoch %d: %w", w.seq.cfg.Stream, w.epoch.number, ErrEpochEmpty)
		return nil
	}
	err := w.roll(ctx)
	r.done <- err
	return err
}

// roll waits until all that was decided is durable, seals the epoch, and goes
// on in the next. Each step may be the last before a crash: the next start
// finds an epoch that is sealed with none behind it, and makes it; or an empty
// one, and goes on there.
func (w *writer) roll(ctx context.Context) error {
	if !w.settle() {
		return errHalted
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollPatience)
	defer cancel()
	old, next := w.epoch.part, part{number: w.epoch.number + 1, first: w.next.Seq + 1}
	dir := ""
	if !w.journal.memory {
		dir = w.seq.cfg.Server.streamDir(w.epoch.stream)
	}
	if err := w.journal.seal(ctx, old.number, dir); err != nil {
		return err
	}
	stream, err := w.journal.stream(next.number)
	if err != nil {
		return err
	}
	if _, err := stream.ensure(ctx, next.first); err != nil {
		return err
	}
	w.epoch = inEpoch{part: next, stream: stream.name}
	w.seq.epochs.roll(next)
	w.seq.log.Info("the log begins a new epoch", "epoch", next.number, "from", next.first)
	return nil
}

// settle waits until everything decided is durable; false when that will not be.
func (w *writer) settle() bool {
	done := make(chan struct{})
	w.flights <- flight{settled: done}
	select {
	case <-done:
		return true
	case <-w.seq.stopped:
		return false
	}
}
