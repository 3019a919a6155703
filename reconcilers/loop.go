package reconcilers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"segno/events"
	"segno/proto"
)

// Feed is the EVENTS log as it grows.
type Feed interface {
	// Watch answers every change above after of the given resources, in log order
	// and once it is durable, until ctx ends. An error ends it.
	Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error]
}

// Views answers the cluster as it is: a view of all logs, whose Seq is that
// of the EVENTS log. A view holds still.
type Views interface {
	View() events.View
}

// Submitter is the one door for writes. It answers once the change is durable
// and every later View includes it.
type Submitter interface {
	Submit(ctx context.Context, cmd events.Command) (events.Outcome, error)
}

// Config says what a loop runs, and on what.
type Config struct {
	Reconciler Reconciler
	Table      *events.Table
	Feed       Feed // only Run needs it
	Views      Views
	Submit     Submitter
	// Decode makes the object of a record; default: Table.Decode. A projection's
	// own shares what it has decoded already.
	Decode     func(r *events.Record) (events.Object, error)
	Notes      Submitter     // default: Submit
	Log        *slog.Logger  // default: discarded
	BackoffMin time.Duration // default: 5 ms
	BackoffMax time.Duration // default: 1 min
	// Now is the clock; default: the machine's. Run waits on the machine's own:
	// another one is for who calls Step and Next.
	Now func() time.Time
	// SideBySide is how many commands of an unordered decision are under way at
	// once; default: 32. With 1 they go in their order.
	SideBySide int
}

const (
	defaultBackoffMin = 5 * time.Millisecond
	defaultBackoffMax = time.Minute
	// catchUpPause is how long to wait for a view that includes what the loop
	// itself has written. The sequencer makes it so before it answers.
	catchUpPause = time.Millisecond
	// maxStale is how often in a row a key is read again at once; a key that is
	// still stale then backs off like one that failed.
	maxStale = 10
)

// Loop runs one reconciler: it turns changes into keys, keys into decisions,
// and decisions into commands. Observe may be called beside the rest; Step,
// CatchUp and Run belong to one goroutine.
type Loop struct {
	cfg       Config
	watches   map[proto.Resource][]Watch
	wake      chan struct{} // holds one: something was observed
	resynced  bool
	from      proto.Seq // where the feed goes on after the resync
	committed proto.Seq // newest transaction of its own
	attempts  map[Key]attempts
	unsure    map[string]events.Command // by log: the newest command that nobody answered

	mu       sync.Mutex // held for moments only: Observe must not wait for a decision
	queue    queue
	resyncAt time.Time // when objects that were left out are looked at; zero when none was
}

// attempts counts what went wrong with a key in a row.
type attempts struct{ failed, stale int }

// New makes a loop.
func New(cfg Config) (*Loop, error) {
	if cfg.Reconciler == nil || cfg.Table == nil || cfg.Views == nil || cfg.Submit == nil {
		return nil, errors.New("new reconciler loop: Reconciler, Table, Views and Submit must be set")
	}
	if cfg.Notes == nil {
		cfg.Notes = cfg.Submit
	}
	if cfg.Decode == nil {
		cfg.Decode = cfg.Table.Decode
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.BackoffMin <= 0 {
		cfg.BackoffMin = defaultBackoffMin
	}
	if cfg.BackoffMax <= 0 {
		cfg.BackoffMax = defaultBackoffMax
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.SideBySide <= 0 {
		cfg.SideBySide = defaultSideBySide
	}
	cfg.Log = cfg.Log.With("reconciler", cfg.Reconciler.Name())
	l := &Loop{
		cfg: cfg, watches: map[proto.Resource][]Watch{}, wake: make(chan struct{}, 1), attempts: map[Key]attempts{},
		unsure: map[string]events.Command{},
	}
	for _, w := range cfg.Reconciler.Watches() {
		kind := cfg.Table.Of(w.Resource)
		if kind == nil || kind.Stream != proto.StreamEvents {
			return nil, fmt.Errorf("new loop of %s: %s is not a kind of the EVENTS log", cfg.Reconciler.Name(), w.Resource)
		}
		l.watches[w.Resource] = append(l.watches[w.Resource], w)
	}
	return l, nil
}

// Run resyncs, follows the feed, and reconciles until ctx ends. A feed that
// breaks off is taken up again with a resync.
func (l *Loop) Run(ctx context.Context) error {
	if l.cfg.Feed == nil {
		return fmt.Errorf("run loop of %s: Feed must be set", l.cfg.Reconciler.Name())
	}
	for pause := l.cfg.BackoffMin; ; pause = min(2*pause, l.cfg.BackoffMax) {
		started := time.Now()
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(started) > l.cfg.BackoffMax {
			pause = l.cfg.BackoffMin
		}
		l.cfg.Log.Warn("feed broke off; resyncing", "err", err, "in", pause)
		l.resynced = false
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// follow runs on one feed until it breaks off or ctx ends.
func (l *Loop) follow(ctx context.Context) error {
	if err := l.resync(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	broken := make(chan error, 1)
	go func() {
		broken <- l.observeAll(ctx)
		cancel()
	}()
	err := l.serve(ctx)
	cancel()
	return errors.Join(err, <-broken)
}

// serve reconciles what falls due until ctx ends.
func (l *Loop) serve(ctx context.Context) error {
	for {
		if err := l.CatchUp(ctx); err != nil {
			return err
		}
		var timer <-chan time.Time
		if wait, ok := l.Next(); ok {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer:
		}
	}
}

// CatchUp reconciles until nothing is due.
func (l *Loop) CatchUp(ctx context.Context) error {
	for {
		more, err := l.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Step reconciles one key; more tells whether another one is due. The first
// Step resyncs. What goes wrong with a key is dealt with there: an error of Step
// means that the loop itself cannot go on.
func (l *Loop) Step(ctx context.Context) (more bool, err error) {
	if !l.resynced || l.resyncDue() {
		if err := l.resync(); err != nil {
			return false, err
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if key, t, ok := l.next(); ok {
		l.handle(ctx, key, t)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.due(l.cfg.Now()), nil
}

func (l *Loop) add(key Key, t trigger, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.add(key, t, due)
}

func (l *Loop) next() (Key, trigger, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.next(l.cfg.Now())
}

// Next is the time until there is something to do; ok is false when there is
// nothing.
func (l *Loop) Next() (in time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	in, ok = l.queue.wait(now)
	if left := max(0, l.resyncAt.Sub(now)); !l.resyncAt.IsZero() && (!ok || left < in) {
		return left, true
	}
	return in, ok
}
