package pod

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
	"segno/agents/resolv"
	"segno/agents/runtime"
	"segno/proto"
)

// Network gives sandboxes their addresses. Each call is safe to repeat.
type Network interface {
	// Allocate reserves the pod's addresses, one of each family that the node
	// has; the same when asked again.
	Allocate(uid string) ([]netip.Addr, error)
	// Attach cables a running sandbox to the network, and makes just these ports
	// of the node lead to it.
	Attach(ctx context.Context, uid string, sandbox runtime.Sandbox, ports []network.HostPort) error
	// Release removes the cable and the ports, and gives the addresses back.
	Release(ctx context.Context, uid string) error
}

// Isolate holds pods to what is allowed to them.
type Isolate interface {
	// Attach returns once that is in force for a pod that gets these addresses.
	Attach(ctx context.Context, pod *corev1.Pod, addresses []netip.Addr) error
	// Detach forgets one that is gone.
	Detach(uid string)
}

// Config of a Keeper. Runtime, Network and Tell are required.
type Config struct {
	Node    Node
	Runtime runtime.Runtime
	Network Network
	// Isolate holds a pod to what is allowed to it, before it is cabled; nil allows
	// everything.
	Isolate Isolate
	// VolumeDir is where the pods' own volumes live; empty makes none.
	VolumeDir string
	// DNS is what pods are told of names; unset leaves that to the engine.
	DNS resolv.Cluster
	// AlwaysHealthy takes every probe as passed, for simulated containers.
	AlwaysHealthy bool
	// Concurrency bounds the pods that are worked on at once, but for those
	// whose image is on its way; 0 means 16.
	Concurrency int
	// Tell is given each new status, in order for each pod.
	Tell func(proto.ReportItem)
	// Note is given what people should read about a pod; nil drops it.
	Note func(proto.NodeNote)
	// Forget is called when nothing is left of a pod.
	Forget func(uid string)
	// Observe sees each action that had an effect; for logs and tests.
	Observe func(uid string, action Action, err error)
	Logger  *slog.Logger

	// Now is a clock that somebody else moves on, who then calls CatchUp instead of
	// Run: nothing wakes up by itself. Nil is the machine's clock.
	Now func() time.Time
	// Takes is how long an action takes on such a clock; nil is no time.
	Takes func(want Want, action Action) time.Duration
	// Unready says which simulated containers do not pass their probes; nil is none.
	Unready func(c runtime.Container) bool
}

// Keeper keeps all pods of a node as they are wanted.
type Keeper struct {
	cfg     Config
	volumes Volumes
	signal  chan struct{} // there is something to do
	slots   chan struct{} // one for each pod that is worked on
	probing sync.WaitGroup

	mu    sync.Mutex
	lives map[string]*life
	queue []*life
	sweep bool        // list the engine's pods: some may be unknown or have changed
	timer *time.Timer // of the next sweep, when one failed
	full  bool        // all wanted pods are known: what else the engine has is to go
	// unread are wanted pods of which no more is known.
	unread map[string]bool
}

// New answers a keeper of no pods.
func New(cfg Config) (*Keeper, error) {
	if cfg.Runtime == nil || cfg.Network == nil || cfg.Tell == nil {
		return nil, errors.New("pod.New: Runtime, Network and Tell are required")
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 16
	}
	if cfg.Forget == nil {
		cfg.Forget = func(string) {}
	}
	if cfg.Note == nil {
		cfg.Note = func(proto.NodeNote) {}
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, Action, error) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper{
		cfg: cfg, volumes: Volumes{Dir: cfg.VolumeDir}, lives: map[string]*life{}, signal: make(chan struct{}, 1),
		slots: make(chan struct{}, cfg.Concurrency),
	}, nil
}

// Want sets how one pod should be, unless something newer of it is known.
func (k *Keeper) Want(want Want) {
	k.mu.Lock()
	defer k.mu.Unlock()
	uid := string(want.Pod.UID)
	if l := k.lives[uid]; l != nil && want.Seq < l.want.Seq {
		return
	}
	k.want(uid, want)
}

// Gone says that a pod's object no longer exists: what is left of the pod is
// removed, with at most the given grace. One that is not known is ignored.
func (k *Keeper) Gone(uid string, grace time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.lives[uid]; l != nil {
		k.want(uid, Want{Pod: l.want.Pod, Seq: l.want.Seq, Gone: true, Grace: grace})
	}
}

// WantAll says that nothing but these pods should be: others have their own
// grace period to end, and nothing is told of them. The full list is the truth
// whatever its sequences: a control plane that came back from a backup counts
// from there. Of unread ones it is only known that they should be: they stay
// as they are.
func (k *Keeper) WantAll(wants []Want, unread ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	wanted := make(map[string]bool, len(wants))
	k.unread = make(map[string]bool, len(unread))
	for _, uid := range unread {
		k.unread[uid] = true
	}
	for _, want := range wants {
		wanted[string(want.Pod.UID)] = true
		k.want(string(want.Pod.UID), want)
	}
	for uid, l := range k.lives {
		if !wanted[uid] && !k.unread[uid] && !l.want.Gone {
			k.want(uid, Want{Pod: l.want.Pod, Seq: l.want.Seq, Gone: true, Grace: l.want.grace()})
		}
	}
	k.full, k.sweep = true, true
	k.wake()
}

// want is called with the lock held. What is gone does not come back: its
// containers have been told to stop.
func (k *Keeper) want(uid string, want Want) {
	l := k.lives[uid]
	switch {
	case l == nil:
		l = &life{uid: uid}
		k.lives[uid] = l
	case l.want.Gone:
		return
	}
	l.want, l.fresh = want, true
	if l.pull != nil && !l.pull.of(want) {
		l.pull.stop()
	}
	k.enqueue(l)
}

// Wake looks at a pod again; "" means all of them, and what else the engine has.
func (k *Keeper) Wake(uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if uid == "" {
		k.sweep = true
		k.wake()
		return
	}
	if l := k.lives[uid]; l != nil {
		k.enqueue(l)
	}
}

// Lookup answers what is known of a pod by its name, for logs and exec.
func (k *Keeper) Lookup(namespace, name string) (Want, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found Want
	for _, l := range k.lives {
		if p := l.want.Pod; p != nil && p.Namespace == namespace && p.Name == name && (found.Pod == nil || !l.want.Gone) {
			found = l.want
		}
	}
	return found, found.Pod != nil
}

// enqueue is called with the lock held.
func (k *Keeper) enqueue(l *life) {
	l.again = true
	if l.queued {
		return
	}
	l.queued = true
	k.queue = append(k.queue, l)
	k.wake()
}

func (k *Keeper) wake() {
	select {
	case k.signal <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. Containers go on without it.
func (k *Keeper) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer k.probing.Wait()
	defer work.Wait()
	defer k.stopTimers()
	for {
		if k.takeSweep() {
			k.lookAround(ctx)
		}
		l := k.next()
		if l == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-k.signal:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case k.slots <- struct{}{}:
		}
		work.Go(func() {
			k.tend(ctx, l)
			k.done(l)
			<-k.slots
		})
	}
}

func (k *Keeper) next() *life {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		return nil
	}
	l := k.queue[0]
	k.queue[0] = nil
	k.queue = k.queue[1:]
	l.again = false
	return l
}

// done gives a life back: to the queue when something changed meanwhile.
func (k *Keeper) done(l *life) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.queued = false
	if l.again && k.lives[l.uid] == l {
		k.enqueue(l)
	}
}

func (k *Keeper) takeSweep() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	due := k.sweep
	k.sweep = false
	return due
}

// lookAround compares what the engine has with what is known: each known pod
// is looked at again, and once all wanted pods are known the rest is to go.
func (k *Keeper) lookAround(ctx context.Context) {
	left, err := k.cfg.Runtime.List(ctx)
	if err != nil {
		k.cfg.Logger.Warn("list what the engine has", "error", err)
		if !errors.Is(err, runtime.ErrDown) { // then it tells when it is back
			k.wakeAt(k.now().Add(lookAgain))
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.lives {
		l.fresh = true
		k.enqueue(l)
	}
	for _, p := range left {
		if k.full && k.lives[p.UID] == nil && !k.unread[p.UID] {
			k.want(p.UID, Want{Gone: true, Grace: orphanGrace})
		}
	}
}

// lookAgain is how long after it was refused the engine's list is asked for
// once more.
const lookAgain = 5 * time.Second

// wakeAt looks at everything at a later time.
func (k *Keeper) wakeAt(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
	}
	if k.cfg.Now == nil {
		k.timer = time.AfterFunc(time.Until(at), func() { k.Wake("") })
	}
}

// orphanGrace is what containers of a pod that nobody knows get.
const orphanGrace = 30 * time.Second

func (k *Keeper) stopTimers() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
	}
	for _, l := range k.lives {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
}
