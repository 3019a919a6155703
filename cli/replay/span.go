package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"segno/cli/archive"
	"segno/events"
	"segno/events/bisect"
	"segno/events/condition"
	"segno/projections"
	"segno/proto"
)

var errEmpty = errors.New("replay: there are no transactions in it")

// Config says how a span is folded.
type Config struct {
	Table *events.Table // required
	Log   *slog.Logger
	// Progress is told how many transactions were folded; may be nil.
	Progress func(done int)
}

// Span is a span of the log, folded into a scratch projection in memory.
type Span struct {
	table    *events.Table
	archive  *archive.Archive
	fold     *projections.Projection
	start    proto.Seq    // the span begins behind it
	recorded []proto.Hash // state hashes, from the one after start+1 on
}

// Open folds an archive. The span is the caller's to close.
func Open(ctx context.Context, r io.Reader, cfg Config) (*Span, error) {
	if cfg.Table == nil {
		return nil, errors.New("replay: a table of kinds is needed")
	}
	s := &Span{table: cfg.Table}
	var err error
	s.archive, err = archive.Open(ctx, r, archive.OpenConfig{
		Table: cfg.Table, Log: cfg.Log, Progress: cfg.Progress,
		Recorded: func(stream string, _ proto.Seq, state proto.Hash) {
			if stream == proto.StreamEvents {
				s.recorded = append(s.recorded, state)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	s.fold, s.start = s.archive.Logs[proto.StreamEvents], s.archive.Starts[proto.StreamEvents].Seq
	if s.fold == nil || len(s.recorded) == 0 {
		return nil, errors.Join(errEmpty, s.archive.Close())
	}
	return s, nil
}

// Close frees the scratch projection.
func (s *Span) Close() error { return s.archive.Close() }

// First is the span's first transaction.
func (s *Span) First() proto.Seq { return s.start + 1 }

// Last is the span's last transaction.
func (s *Span) Last() proto.Seq { return s.start + proto.Seq(len(s.recorded)) }

// Redacted tells that values were taken out: the fold's state hashes cannot be
// compared then.
func (s *Span) Redacted() bool { return len(s.archive.Taken) > 0 }

// Taken are the objects out of which values were taken.
func (s *Span) Taken() []proto.ObjectKey { return s.archive.Taken }

// Verdict is what comparing the state hashes gave.
type Verdict struct {
	From         proto.Seq `json:"from"`
	To           proto.Seq `json:"to"`
	Transactions int       `json:"transactions"`
	State        string    `json:"state,omitempty"` // of the fold after To; absent when values were taken out
	Recorded     string    `json:"recorded"`
	Compared     bool      `json:"compared"`          // after every transaction
	Differs      proto.Seq `json:"differs,omitempty"` // the first after which the fold has another one
}

// Verdict tells whether the fold had the recorded state after every transaction up
// to and including one.
func (s *Span) Verdict(to proto.Seq) (Verdict, error) {
	state, err := s.state(to)
	if err != nil {
		return Verdict{}, fmt.Errorf("replay: the state after transaction %s: %w", to, err)
	}
	out := Verdict{From: s.First(), To: to, Transactions: int(to - s.start), State: state.Folded, Recorded: state.Recorded, Compared: !s.Redacted()}
	if differs := s.archive.Differs; out.Compared && differs <= to {
		out.Differs = differs
	}
	return out, nil
}

// Next is the first transaction behind after at which a condition becomes true;
// where it was true before the span, and still is after its first transaction,
// that one. 0 is none.
func (s *Span) Next(ctx context.Context, when *condition.Condition, after proto.Seq) (proto.Seq, error) {
	after = max(after, s.start)
	if after >= s.Last() {
		return 0, nil
	}
	found, err := bisect.Find(ctx, s.fold, bisect.Search{When: when, From: after + 1, To: s.Last(), Scan: true})
	if err != nil {
		return 0, err
	}
	if found.Already && after == s.start && found.Ended != s.First() {
		return s.First(), nil
	}
	return found.Found, nil
}

// Previous is the newest transaction before a given one at which a condition
// becomes true; 0 is none.
func (s *Span) Previous(ctx context.Context, when *condition.Condition, before proto.Seq) (last proto.Seq, err error) {
	for at := s.start; ; {
		at, err = s.Next(ctx, when, at)
		if err != nil || at == 0 || at >= before {
			return last, err
		}
		last = at
	}
}
