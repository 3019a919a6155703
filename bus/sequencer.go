package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/events"
	"segno/proto"
)

// Bounds of what is under way: decided and published, not yet durable. The
// NATS server drops what is beyond its own bounds (10,000 messages of a stream,
// 128 MB), so these are below.
const (
	queueLength    = 1024     // commands that wait to be decided
	flightLength   = 512      // commands that are decided and published in one go
	flightsWaiting = 12       // flights between the two loops
	bytesUnderWay  = 32 << 20 // of envelopes
	groupLength    = 4096     // transactions in one synced batch
	ackPatience    = 10 * time.Second
)

// Decide turns a command into events.
type Decide func(table *events.Table, view events.View, cmd events.Command, at time.Time) (events.Decision, error)

// SequencerConfig says which log is written and what it is folded into.
type SequencerConfig struct {
	Server *Server
	Stream string // proto.StreamEvents, StreamNotes or StreamLeases
	Fold   Fold
	Table  *events.Table
	Decide Decide // events.Decide
	ID     string // who leads, in the log; "local"
	Source string // begins the source of the feed's CloudEvents; proto.SourceUnnamed
	// Causes is the log in which causes of this log's commands lie; nil for this one.
	Causes *Sequencer
	// Anchor is the file that remembers how far the log reached, so that a
	// shortened log is noticed even when the fold was deleted; "" for none.
	Anchor string
	// EpochBytes and EpochAge are how large and how old an epoch of EVENTS becomes
	// before the log rolls over to the next; 8 GiB and never, and a negative
	// EpochBytes is never, too.
	EpochBytes int64
	EpochAge   time.Duration
	// Archive reads what dropped epochs had, to fold it again; nil when nothing
	// was archived.
	Archive Archive
	// Progress is told how far a long repair or refold is.
	Progress func(done, total proto.Seq)
	// Render makes the object of an event readable in the feed; nil sends bytes.
	Render Render
	Log    *slog.Logger
}

// Sequencer is the one door for all writes to one log. It decides each command
// on the newest state, its own pending transactions included, and answers
// once the log and the fold both have it, durably.
//
// Two loops share the work. The decide loop (writer.go) decides, encodes and
// publishes, and never waits for the disk. The commit loop (committer.go) waits
// for acknowledgements, folds a group in one synced batch, and answers.
// Answers leave in the order of decisions, refusals and no-ops included: none
// may tell of a pending write that is then lost.
type Sequencer struct {
	cfg      SequencerConfig
	log      *slog.Logger
	requests chan *request
	rolls    chan *rollRequest
	epochs   epochs
	journal  atomic.Pointer[journal] // once repaired
	anchors  sync.Mutex              // one writer of the anchor at a time
	ready    chan struct{}           // closed when repaired and elected
	stopped  chan struct{}           // closed when nothing is taken any more
	stop     sync.Once
	reason   error         // why stopped; read after stopped
	folded   atomic.Uint64 // newest durable transaction
	suspect  atomic.Bool   // a damage of the log was found while running
	recent   *correlations
	feed     *feed
	effort   effort
}

type request struct {
	cmd  events.Command
	done chan answer // takes one without blocking
}

type answer struct {
	outcome events.Outcome
	err     error
}

// NewSequencer checks the configuration; Run repairs the log and opens the door.
func NewSequencer(cfg SequencerConfig) (*Sequencer, error) {
	if cfg.Server == nil || cfg.Fold == nil || cfg.Table == nil || cfg.Stream == "" {
		return nil, fmt.Errorf("sequencer of %q: Server, Stream, Fold and Table are all needed", cfg.Stream)
	}
	if cfg.Decide == nil {
		cfg.Decide = events.Decide
	}
	if cfg.ID == "" {
		cfg.ID = "local"
	}
	if cfg.Source == "" {
		cfg.Source = proto.SourceUnnamed
	}
	if cfg.EpochBytes == 0 {
		cfg.EpochBytes = epochBytes
	}
	return &Sequencer{
		cfg:      cfg,
		log:      orDefault(cfg.Log).With("log", cfg.Stream),
		requests: make(chan *request, queueLength),
		rolls:    make(chan *rollRequest),
		ready:    make(chan struct{}),
		stopped:  make(chan struct{}),
		recent:   newCorrelations(),
		effort:   usualEffort,
	}, nil
}

// Run compares the log with the fold, repairs what can be repaired or answers
// why not, takes the lead, and then serves Submit until ctx ends. It returns
// nil when ctx ended, and an error when the log cannot be trusted any more:
// whoever runs it then has to start again from a fresh sequencer.
func (s *Sequencer) Run(ctx context.Context) error {
	err := s.run(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		s.halt(errors.New("the cluster is stopping"))
		return nil
	}
	s.halt(err)
	return fmt.Errorf("log %s: %w", s.cfg.Stream, err)
}

func (s *Sequencer) run(ctx context.Context) error {
	if err := s.cfg.Server.Ready(ctx); err != nil {
		return err
	}
	conn, err := s.cfg.Server.Connect("sequencer of " + s.cfg.Stream)
	if err != nil {
		return err
	}
	defer conn.Close()
	line, err := newLine(conn)
	if err != nil {
		return err
	}
	log := &journal{name: s.cfg.Stream, conn: conn, memory: s.cfg.Server.memory}
	r, err := s.repairer(log, line)
	if err != nil {
		return err
	}
	parts, rest, err := r.repair(ctx)
	if err != nil {
		return err
	}
	r.progress = nil // the start is over
	s.epochs.set(parts, r.retained())
	s.journal.Store(log)
	s.feed = newFeed(s.cfg, conn, s.log)
	s.folded.Store(uint64(s.cfg.Fold.Position().Seq))
	if r.anchor.Restored != "" { // the log is written: from here on it must not end early
		if err := s.dropAnchor(); err != nil {
			return err
		}
	}
	w, err := newWriter(ctx, s, line, log)
	if err != nil {
		return err
	}
	err = s.serve(ctx, line, r, w, rest)
	return errors.Join(err, s.dropAnchor())
}

func (s *Sequencer) repairer(log *journal, line *line) (*repairer, error) {
	anchor, err := readAnchor(s.cfg.Anchor)
	if err != nil {
		return nil, err
	}
	dir := ""
	if !log.memory {
		dir = s.cfg.Server.streamDir(s.cfg.Stream)
	}
	return &repairer{
		journal:  log,
		line:     line,
		fold:     s.cfg.Fold,
		dir:      dir,
		server:   s.cfg.Server,
		aside:    s.cfg.Server.asideDir(),
		archive:  s.cfg.Archive,
		effort:   s.effort,
		anchor:   anchor,
		file:     s.cfg.Anchor,
		progress: s.cfg.Progress,
		slog:     s.log,
	}, nil
}

func (s *Sequencer) serve(ctx context.Context, line *line, r *repairer, w *writer, rest proto.Seq) error {
	c := &committer{seq: s, line: line, writer: w}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.run(ctx, w.flights) })
	group.Go(func() error { return w.run(ctx) })
	group.Go(func() error { return s.feed.run(ctx) })
	group.Go(func() error { return s.lead(ctx) })
	group.Go(func() error { return s.keepAnchor(ctx) })
	group.Go(func() error { return s.compareRest(ctx, r, rest) })
	return group.Wait()
}

// lead appends the new leader's first transaction: from then on whoever led
// before can append nothing.
func (s *Sequencer) lead(ctx context.Context) error {
	if s.cfg.Stream == proto.StreamEvents {
		elect := events.Elect{Term: s.cfg.Fold.Position().Term + 1, ID: s.cfg.ID}
		_, err := s.submit(ctx, events.Command{Actor: "system:bus", Via: "sequencer", Action: elect})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("take the lead with term %d: %w", elect.Term, err)
		}
		if err != nil {
			return nil
		}
	}
	close(s.ready)
	return nil
}

// Ready waits until the log is repaired and the lead is taken.
func (s *Sequencer) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.stopped:
		return s.reason
	case <-ctx.Done():
		return fmt.Errorf("wait for the log %s: %w", s.cfg.Stream, ctx.Err())
	}
}

// Durable is the newest transaction that the log and the fold both have.
func (s *Sequencer) Durable() proto.Seq { return proto.Seq(s.folded.Load()) }

// Submit asks for a change and waits until it is durable, or refused. An error
// is a Kubernetes Status, or ctx's own. A caller that leaves early does not
// take back what it asked for.
func (s *Sequencer) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	select {
	case <-s.ready:
	default:
		if err := s.Ready(ctx); err != nil {
			return events.Outcome{}, s.unavailable(ctx, err)
		}
	}
	return s.submit(ctx, cmd)
}

func (s *Sequencer) submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	r := &request{cmd: cmd, done: make(chan answer, 1)}
	select {
	case s.requests <- r:
	case <-s.stopped:
		return events.Outcome{}, s.unavailable(ctx, s.reason)
	case <-ctx.Done():
		return events.Outcome{}, ctx.Err()
	}
	select {
	case a := <-r.done:
		return a.outcome, a.err
	case <-ctx.Done():
		return events.Outcome{}, ctx.Err()
	case <-s.stopped:
	}
	select { // the answer may have come with the end
	case a := <-r.done:
		return a.outcome, a.err
	default:
		return events.Outcome{}, s.unavailable(ctx, s.reason)
	}
}

// halt ends the taking of commands; those that wait get the reason.
func (s *Sequencer) halt(reason error) {
	s.stop.Do(func() {
		s.reason = reason
		close(s.stopped)
	})
}
