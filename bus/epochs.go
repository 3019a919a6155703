package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"segno/proto"
)

// epochBytes is how large an epoch becomes unless somebody says otherwise.
const epochBytes = 8 << 30

// Errors that those who handle epochs tell apart.
var (
	ErrNoEpochs   = errors.New("this log has no epochs: its beginning runs out in time")
	ErrEpochEmpty = errors.New("the epoch has no transactions yet")
	ErrEpochOpen  = errors.New("the epoch is the one that is written")
	ErrNotOldest  = errors.New("an older epoch is still there")
	ErrNoEpoch    = errors.New("there is no such epoch")
)

// Epoch is one stream of a log: a span of transactions. All but the newest are
// sealed.
type Epoch struct {
	Number      uint32
	First, Last proto.Seq // Last is First-1 while there is none
	Sealed      bool
	Bytes       uint64
	Stream      string
	Dir         string // of its files; "" in memory
}

// epochs are those that a running log has.
type epochs struct {
	retained bool
	mu       sync.Mutex
	parts    []part
	reading  sync.RWMutex // held for reading by whoever reads a sealed epoch's stream
}

func (e *epochs) set(parts []part, retained bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parts, e.retained = slices.Clone(parts), retained
}

func (e *epochs) all() []part {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.parts)
}

// hold keeps an epoch from being dropped until free is called.
func (e *epochs) hold(number uint32) (free func(), there bool) {
	e.reading.RLock()
	return e.reading.RUnlock, slices.ContainsFunc(e.all(), func(p part) bool { return p.number == number })
}

// from is the first transaction of a log whose oldest epochs were dropped; 0
// for one that has all.
func (e *epochs) from() proto.Seq {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.retained || len(e.parts) == 0 || e.parts[0].first == 1 {
		return 0
	}
	return e.parts[0].first
}

// Epochs answers the log's epochs, oldest first.
func (s *Sequencer) Epochs(ctx context.Context) ([]Epoch, error) {
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	have, err := s.journal.Load().find(ctx)
	if err != nil {
		return nil, err
	}
	var out []Epoch
	for _, p := range s.epochs.all() {
		stream := proto.EpochStream(s.cfg.Stream, p.number)
		e := Epoch{Number: p.number, First: p.first, Last: p.end(s.Durable()), Sealed: p.last != 0, Bytes: have[p.number].bytes, Stream: stream}
		if !s.cfg.Server.memory {
			e.Dir = s.cfg.Server.streamDir(stream)
		}
		out = append(out, e)
	}
	return out, nil
}

// ReadEpoch calls each with every transaction of a sealed epoch as its stream
// has it, in order, and checks that each follows the one before. The bytes are
// the caller's.
func (s *Sequencer) ReadEpoch(ctx context.Context, number uint32, each func(seq proto.Seq, encoded []byte) error) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	p, err := s.sealed(number)
	if err != nil {
		return err
	}
	free, there := s.epochs.hold(number)
	defer free()
	if !there {
		return fmt.Errorf("read epoch %d: %w", number, ErrNoEpoch)
	}
	stream, err := s.journal.Load().stream(number)
	if err != nil {
		return err
	}
	var at proto.Position
	err = stream.read(ctx, p.first, p.last, func(seq proto.Seq, data []byte) error {
		entry, err := link(at, seq, data)
		if err != nil {
			return err
		}
		at = after(entry)
		return each(seq, data)
	})
	if err != nil {
		return fmt.Errorf("read epoch %d of %s: %w", number, s.cfg.Stream, err)
	}
	return nil
}

// sealed answers a sealed epoch.
func (s *Sequencer) sealed(number uint32) (part, error) {
	parts := s.epochs.all()
	i := slices.IndexFunc(parts, func(p part) bool { return p.number == number })
	switch {
	case i < 0:
		return part{}, fmt.Errorf("epoch %d of %s: %w", number, s.cfg.Stream, ErrNoEpoch)
	case parts[i].last == 0:
		return part{}, fmt.Errorf("epoch %d of %s: %w; roll first", number, s.cfg.Stream, ErrEpochOpen)
	default:
		return parts[i], nil
	}
}

// DropEpoch takes the stream of the oldest epoch away, once whoever asks has
// its transactions elsewhere. The fold still has them, and all that is read
// comes from there. A fold that is deleted needs them back (SequencerConfig.Archive).
func (s *Sequencer) DropEpoch(ctx context.Context, number uint32) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	if _, err := s.sealed(number); err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	if err := s.forget(number); err != nil {
		return err
	}
	if err := s.dropAnchor(); err != nil { // first: a start would write the epoch again
		return err
	}
	return s.journal.Load().drop(ctx, number)
}

// forget takes the oldest epoch off the list, once nobody reads it.
func (s *Sequencer) forget(number uint32) error {
	s.epochs.reading.Lock()
	defer s.epochs.reading.Unlock()
	s.epochs.mu.Lock()
	defer s.epochs.mu.Unlock()
	if s.epochs.parts[0].number != number {
		return fmt.Errorf("drop epoch %d of %s: %w: %d", number, s.cfg.Stream, ErrNotOldest, s.epochs.parts[0].number)
	}
	s.epochs.parts = s.epochs.parts[1:]
	return nil
}

// errHalted ends the decide loop after the commit loop, which says why.
var errHalted = errors.New("the log has stopped")

// rollPatience is how long the server may take to seal an epoch and begin one.
const rollPatience = time.Minute
