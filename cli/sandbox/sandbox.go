package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"segno/cli/api/logs"
	"segno/events"
	"segno/projections"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/roster"
)

// Config says where a sandbox begins and how it behaves.
type Config struct {
	From Source
	Name string // that its log is exported under; the default is "sandbox"
	// Start and Pull are how long the start of a container and the pull of an image
	// take; 0 is the default of package virtual.
	Start, Pull time.Duration
	Grace       time.Duration // how long a node may be silent; 0 is the default
	Log         *slog.Logger
}

// Sandbox is one cluster. Reading and Submit may be done at any time; what moves
// time on takes turns.
type Sandbox struct {
	cfg   Config
	table *events.Table
	log   *slog.Logger
	point proto.Position // what it goes on from
	begun time.Time      // when its clock began
	clock clock
	folds map[string]*projections.Projection
	logs  *logs.Logs

	count atomic.Int32 // of the nodes

	mu    sync.Mutex // held while time moves
	loops []*reconcilers.Loop
	feed  *projections.Subscription
	nodes nodes
}

// New makes a sandbox; nothing has happened in it yet. It is to be closed.
func New(ctx context.Context, cfg Config) (s *Sandbox, err error) {
	if cfg.From.Table == nil || cfg.From.Folds[proto.StreamEvents] == nil || cfg.From.Time.IsZero() {
		return nil, errors.New("new sandbox: a table of kinds, the log EVENTS and a moment are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Name = cmp.Or(cfg.Name, "sandbox")
	s = &Sandbox{cfg: cfg, table: cfg.From.Table, log: cfg.Log, begun: cfg.From.Time, folds: map[string]*projections.Projection{}}
	s.clock.set(cfg.From.Time)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.open(ctx, cfg.From); err != nil {
		return nil, err
	}
	s.point = s.truth().Position()
	if s.feed, err = s.truth().Subscribe(s.point.Seq, projections.Filter{}); err != nil {
		return nil, fmt.Errorf("follow a sandbox: %w", err)
	}
	if err := s.assemble(); err != nil {
		return nil, err
	}
	return s, s.populate(ctx)
}

// assemble makes the control loops.
func (s *Sandbox) assemble() error {
	all, _, err := roster.New(roster.Config{Table: s.table, Since: s.begun, Grace: s.cfg.Grace})
	if err != nil {
		return err
	}
	for _, r := range all {
		loop, err := reconcilers.New(reconcilers.Config{
			Reconciler: r, Table: s.table, Views: s, Submit: s, Decode: s.truth().Object,
			Log: s.log, Now: s.clock.Now, SideBySide: 1,
		})
		if err != nil {
			return err
		}
		s.loops = append(s.loops, loop)
	}
	return nil
}

// Close frees everything. What still reads from the sandbox is told that it is
// closed.
func (s *Sandbox) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fold := range s.folds {
		_ = fold.Close() // it was in memory only
	}
}

func (s *Sandbox) truth() *projections.Projection { return s.folds[proto.StreamEvents] }

// View implements reconcilers.Views.
func (s *Sandbox) View() events.View { return s.logs.Whole() }

// Submit implements reconcilers.Submitter: the one door for writes.
func (s *Sandbox) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	return s.logs.Submit(ctx, cmd)
}

// Now is the sandbox's time.
func (s *Sandbox) Now() time.Time { return s.clock.Now() }
