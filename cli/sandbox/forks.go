package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/version"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

const (
	// DefaultMost is how many forks there can be at once.
	DefaultMost = 8
	// longestName leaves room for the name in a context's.
	longestName = 40
	// tick is how often the clocks of forks that run on real time are moved on.
	tick = 100 * time.Millisecond
)

// ForksConfig says of which cluster there can be forks.
type ForksConfig struct {
	Cluster string // its name
	Table   *events.Table
	Folds   map[string]*projections.Projection // the cluster's logs, by stream: they are only read
	Version version.Info
	// Issue makes a client certificate and its key, as PEM; nil makes none.
	Issue func(user, group string) (certificate, key []byte, err error)
	Most  int           // default DefaultMost
	Grace time.Duration // how long a node may be silent; 0 is the default
	Log   *slog.Logger
}

// Forks keeps the forks of a cluster, in memory: they end with it.
type Forks struct {
	cfg  ForksConfig
	kick chan struct{} // holds one: there is a clock that runs

	mu     sync.Mutex       // held for moments only
	byName map[string]*fork // nil is one that is being made
}

var _ api.Forks = (*Forks)(nil)

// NewForks checks the configuration. Forks on real time need Run.
func NewForks(cfg ForksConfig) (*Forks, error) {
	if cfg.Table == nil || cfg.Folds[proto.StreamEvents] == nil {
		return nil, errors.New("new forks: a table of kinds and the log EVENTS are needed")
	}
	if cfg.Most == 0 {
		cfg.Most = DefaultMost
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Forks{cfg: cfg, kick: make(chan struct{}, 1), byName: map[string]*fork{}}, nil
}

// Make implements api.Forks.
func (k *Forks) Make(ctx context.Context, asked history.ForkRequest, at proto.Seq, clock time.Time) (history.Fork, error) {
	if err := k.reserve(asked.Name); err != nil {
		return history.Fork{}, err
	}
	f, out, err := k.make(ctx, asked, at, clock)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		delete(k.byName, asked.Name)
		return out, err
	}
	k.byName[asked.Name] = f
	select {
	case k.kick <- struct{}{}:
	default:
	}
	certificate, key := out.Certificate, out.Key
	out = f.show()
	out.Certificate, out.Key = certificate, key
	return out, nil
}

// reserve keeps a name for a fork that is being made.
func (k *Forks) reserve(name string) error {
	if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 || len(name) > longestName {
		return apierrors.NewBadRequest(fmt.Sprintf("fork %q: the name must be at most %d lower-case letters, digits and dashes", name, longestName))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.byName[name]; taken {
		return apierrors.NewAlreadyExists(forkResource, name)
	}
	if len(k.byName) >= k.cfg.Most {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
			Message: fmt.Sprintf("there are %d forks, which is as many as there can be; remove one with: segno fork rm NAME", len(k.byName)),
		}}
	}
	k.byName[name] = nil
	return nil
}

func (k *Forks) make(ctx context.Context, asked history.ForkRequest, at proto.Seq, clock time.Time) (f *fork, out history.Fork, err error) {
	s, err := New(ctx, Config{
		From: Source{Table: k.cfg.Table, Folds: k.cfg.Folds, Seq: at, Time: clock},
		Name: k.cfg.Cluster + "/fork/" + asked.Name, Grace: k.cfg.Grace, Log: k.cfg.Log.With("fork", asked.Name),
	})
	if err != nil {
		return nil, out, err
	}
	f = &fork{
		name: asked.Name, virtual: asked.Virtual, made: time.Now(), Sandbox: s,
		user: "fork:" + asked.Name, group: api.GroupForks + asked.Name + ":" + strings.ToLower(rand.Text()),
	}
	f.life, f.end = context.WithCancel(context.Background())
	if err = f.serveAPI(k.cfg); err == nil && k.cfg.Issue != nil {
		var certificate, key []byte
		certificate, key, err = k.cfg.Issue(f.user, f.group)
		out.Certificate, out.Key = string(certificate), string(key)
	}
	if err == nil {
		err = s.Advance(ctx, 0) // what was due then is done: nothing of it is the fork's doing
	}
	if err != nil {
		f.end()
		s.Close()
		return nil, out, fmt.Errorf("make the fork %s: %w", asked.Name, err)
	}
	return f, out, nil
}

// List implements api.Forks.
func (k *Forks) List() history.Forks {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := history.Forks{Forks: []history.Fork{}, Most: k.cfg.Most}
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		if f := k.byName[name]; f != nil {
			out.Forks = append(out.Forks, f.show())
		}
	}
	return out
}

func (k *Forks) find(name string) *fork {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byName[name]
}

// Door implements api.Forks.
func (k *Forks) Door(name string) (api.ForkDoor, bool) {
	f := k.find(name)
	if f == nil {
		return api.ForkDoor{}, false
	}
	return f.door(), true
}

// Remove implements api.Forks: its memory and its door go at once, and its
// credential is nobody's from now on.
func (k *Forks) Remove(name string) error {
	k.mu.Lock()
	f := k.byName[name]
	if f != nil {
		delete(k.byName, name)
	}
	k.mu.Unlock()
	if f != nil {
		f.end()
		f.Close()
	}
	return nil
}

// Advance implements api.Forks.
func (k *Forks) Advance(ctx context.Context, name string, by time.Duration) (history.Fork, error) {
	f := k.find(name)
	if f == nil {
		return history.Fork{}, apierrors.NewNotFound(forkResource, name)
	}
	k.mu.Lock()
	f.ahead += by
	to := f.due(time.Now())
	k.mu.Unlock()
	err := k.moveOn(ctx, f, to)
	k.mu.Lock()
	defer k.mu.Unlock()
	return f.show(), err
}

// moveOn moves the clock of a fork to where it should be.
func (k *Forks) moveOn(ctx context.Context, f *fork, to time.Time) error {
	ctx, cancel := f.during(ctx)
	defer cancel()
	err := f.AdvanceTo(ctx, to)
	if f.life.Err() != nil {
		return apierrors.NewGone(fmt.Sprintf("the fork %s was removed meanwhile", f.name))
	}
	return err
}

// Run moves the clocks of forks that run on real time, until ctx ends; then all
// forks end.
func (k *Forks) Run(ctx context.Context) error {
	defer k.close()
	for {
		running := k.running()
		for _, f := range running {
			k.mu.Lock()
			to := f.due(time.Now())
			k.mu.Unlock()
			if err := k.moveOn(ctx, f, to); err != nil && ctx.Err() == nil && f.life.Err() == nil {
				k.stop(f, err)
			}
		}
		var again <-chan time.Time
		if len(running) > 0 {
			again = time.After(tick)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.kick:
		case <-again:
		}
	}
}

// running are the forks whose clocks run.
func (k *Forks) running() (out []*fork) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		if f := k.byName[name]; f != nil && !f.virtual && f.trouble == nil {
			out = append(out, f)
		}
	}
	return out
}

// stop leaves a fork as it is whose clock cannot go on.
func (k *Forks) stop(f *fork, why error) {
	k.cfg.Log.Error("the clock of a fork stands still", "fork", f.name, "error", why)
	k.mu.Lock()
	defer k.mu.Unlock()
	f.trouble = why
}

func (k *Forks) close() {
	k.mu.Lock()
	names := slices.Collect(maps.Keys(k.byName))
	k.mu.Unlock()
	for _, name := range names {
		_ = k.Remove(name) // never fails
	}
}
