package simulated

import (
	"context"
	"fmt"
	"sync"
	"time"

	"segno/agents/runtime"
	"segno/agents/wait"
)

// Config says how the engine behaves. The zero value is a perfect one.
type Config struct {
	// StartLatency is how long StartContainer takes.
	StartLatency time.Duration
	// PullLatency is how long PullImage takes.
	PullLatency time.Duration
	// NoImage answers why an image cannot be had, nil when it can. Nil: all can.
	NoImage func(image string) error
	// Script says how a container behaves of which its pod's annotations say
	// nothing; ok is false for one that runs for ever. Nil: all do.
	Script func(spec runtime.ContainerSpec) (script Script, ok bool)
	// Now is a clock that somebody else moves on: nothing ends by itself then, but
	// in CatchUp, and nothing takes time. Nil is the machine's clock.
	Now func() time.Time
}

// Engine simulates one node's container engine.
type Engine struct {
	cfg Config

	mu       sync.Mutex
	pods     map[string]*pod
	watchers map[int]func(uid string)
	lost     chan struct{} // closed while the engine is down
	isDown   bool
	nextID   int
	nextPID  int
}

var _ runtime.Runtime = (*Engine)(nil)

// New answers an engine with no containers.
func New(cfg Config) *Engine {
	if cfg.Now != nil {
		cfg.StartLatency, cfg.PullLatency = 0, 0
	}
	return &Engine{
		cfg:      cfg,
		pods:     map[string]*pod{},
		watchers: map[int]func(string){},
		lost:     make(chan struct{}),
	}
}

// Info says that it is simulated.
func (e *Engine) Info(context.Context) (runtime.Info, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return runtime.Info{Version: "simulated://1", Simulated: true}, e.answers("info")
}

// Watch registers the callback for as long as ctx lives and the engine is up.
func (e *Engine) Watch(ctx context.Context, changed func(uid string)) error {
	e.mu.Lock()
	if err := e.answers("watch"); err != nil {
		e.mu.Unlock()
		return err
	}
	id := e.nextID
	e.nextID++
	e.watchers[id] = changed
	lost := e.lost
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.watchers, id)
		e.mu.Unlock()
	}()
	changed("")
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-lost:
		return fmt.Errorf("watch the simulated engine: %w", runtime.ErrDown)
	}
}

// SetDown makes every call fail with ErrDown, or work again. Containers live
// on, as under Docker's live-restore.
func (e *Engine) SetDown(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if down == e.isDown {
		return
	}
	e.isDown = down
	if down {
		close(e.lost)
		return
	}
	e.lost = make(chan struct{})
}

func (e *Engine) now() time.Time {
	if e.cfg.Now != nil {
		return e.cfg.Now()
	}
	return time.Now()
}

// answers is called with the lock held.
func (e *Engine) answers(tried string) error {
	if e.isDown {
		return fmt.Errorf("%s: simulated engine: %w", tried, runtime.ErrDown)
	}
	return nil
}

// tell is called without the lock: a watcher may call back.
func (e *Engine) tell(uid string) {
	e.mu.Lock()
	watchers := make([]func(string), 0, len(e.watchers))
	if !e.isDown {
		for _, w := range e.watchers {
			watchers = append(watchers, w)
		}
	}
	e.mu.Unlock()
	for _, w := range watchers {
		w(uid)
	}
}

// Image answers an identity for any image that can be had. None runs as root.
func (e *Engine) Image(_ context.Context, image string) (runtime.Image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("find image " + image); err != nil {
		return runtime.Image{}, err
	}
	if e.cfg.NoImage != nil {
		if err := e.cfg.NoImage(image); err != nil {
			return runtime.Image{}, fmt.Errorf("image %s: %w", image, runtime.ErrNoImage)
		}
	}
	return runtime.Image{ID: "simulated://" + image, User: "65534"}, nil
}

// PullImage takes the configured time and fails for images that cannot be had.
func (e *Engine) PullImage(ctx context.Context, image string) error {
	if err := wait.For(ctx, e.cfg.PullLatency); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("pull image " + image); err != nil {
		return err
	}
	if e.cfg.NoImage == nil {
		return nil
	}
	return e.cfg.NoImage(image)
}
