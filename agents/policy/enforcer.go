package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
	"segno/proto"
)

// Tables are where a plan is in force.
type Tables interface {
	// Sync makes what is in force exactly the plan.
	Sync(plan *Plan) error
	// Change does so for what was touched since.
	Change(plan *Plan, touched *Touched) error
	// Same says whether it still is what was written.
	Same() (bool, error)
	// Close lets go of them; what is in force stays.
	Close() error
}

// Config of an Enforcer. Node, Catalog and Open are required.
type Config struct {
	Node    string
	Catalog *catalog.Catalog
	// Open answers the tables of this node, or why this machine has none.
	Open func() (Tables, error)
	// Filter makes packets between pods of one bridge pass the tables, or no longer;
	// nil is where they do anyway. It is on while there are policies.
	Filter func(on bool) error
	// Told hears whether policies are in force, whenever that changes; nil is nobody.
	Told   func(Status)
	Logger *slog.Logger
}

// Status is how a node enforces policies, in words of a condition.
type Status struct {
	Enforced        bool
	Reason, Message string
}

const (
	// compareEvery is how often the tables are compared with what was written.
	compareEvery = time.Minute
	// retry is when what failed is tried again.
	retry = 5 * time.Second
	// patience is how long a pod waits for the policies to be known. Behind it, it
	// starts as other pods did before the agent.
	patience = 10 * time.Second
)

// Enforcer keeps the policies in force on the pods of one node.
type Enforcer struct {
	cfg   Config
	begun chan struct{} // closed when the first plan is in force, or cannot be
	once  sync.Once

	unknown chan struct{} // closed when a pod waited too long for that
	waived  sync.Once

	mu       sync.Mutex
	planner  *Planner
	tables   Tables // nil while there are none
	filtered filtering
	attached map[netip.Addr]types.UID        // pods that this node said it has
	told     map[proto.ObjectKey]*Pod        // pods of this node that the cluster says it has
	flaws    map[types.NamespacedName]string // of policies, as logged
	status   Status
}

// New checks the configuration.
func New(cfg Config) (*Enforcer, error) {
	if cfg.Node == "" || cfg.Catalog == nil || cfg.Open == nil {
		return nil, errors.New("policy.New: Node, Catalog and Open are required")
	}
	if cfg.Filter == nil {
		cfg.Filter = func(bool) error { return nil }
	}
	if cfg.Told == nil {
		cfg.Told = func(Status) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Enforcer{
		cfg: cfg, begun: make(chan struct{}), unknown: make(chan struct{}), planner: NewPlanner(), attached: map[netip.Addr]types.UID{},
		told: map[proto.ObjectKey]*Pod{}, flaws: map[types.NamespacedName]string{},
	}, nil
}

// Run enforces until ctx ends; what is in force stays. The catalog must be known
// when it is called. What fails is tried again.
func (e *Enforcer) Run(ctx context.Context) error {
	follower := e.cfg.Catalog.FollowPolicies()
	defer follower.Close()
	defer e.letGo()
	compare := time.NewTicker(compareEvery)
	defer compare.Stop()
	e.learn(follower.Take())
	for {
		var again <-chan time.Time
		if err := e.enforce(); err != nil {
			again = time.After(retry)
		}
		e.once.Do(func() { close(e.begun) })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
		case <-compare.C:
			e.compare()
		case <-follower.Changed():
			e.learn(follower.Take())
		}
	}
}

// Attach isolates a pod of this node that is about to get these addresses, as
// policies say. It returns once that is in force: the pod's containers are to
// start then. On a machine that cannot enforce policies, pods start all the same.
func (e *Enforcer) Attach(ctx context.Context, pod *Pod) error {
	begun, err := e.awaitBegin(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	for _, a := range pod.Addresses {
		e.attached[a] = pod.UID
		e.planner.SetLocal(a, pod)
	}
	e.mu.Unlock()
	if !begun {
		return nil // what is in force was written by one who knew more
	}
	if err := e.enforce(); err != nil && !errors.Is(err, errUnable) {
		return fmt.Errorf("isolate pod %s as NetworkPolicies say: %w", pod.Name, err)
	}
	return nil
}

// awaitBegin waits until the policies are known, though not for ever: a node that
// starts anew without a control plane has pods to keep.
func (e *Enforcer) awaitBegin(ctx context.Context) (begun bool, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-e.begun:
		return true, nil
	default:
	}
	select {
	case <-e.begun:
		return true, nil
	case <-e.unknown:
		return false, nil
	case <-timer.C:
		e.waived.Do(func() {
			e.cfg.Logger.Warn("pods start though it is not known which NetworkPolicies there are")
			close(e.unknown)
		})
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Detach forgets a pod that is gone from this node.
func (e *Enforcer) Detach(uid types.UID) {
	e.mu.Lock()
	for a, is := range e.attached {
		if is == uid {
			delete(e.attached, a)
			e.planner.SetLocal(a, nil)
		}
	}
	e.mu.Unlock()
	select {
	case <-e.begun:
		_ = e.enforce() // told in the status, and tried again
	default:
	}
}

// compare writes what somebody changed in the tables once more.
func (e *Enforcer) compare() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.filtered = filteringUnknown // set again, too
	if e.tables == nil {
		return
	}
	same, err := e.tables.Same()
	if err == nil && same {
		return
	}
	e.cfg.Logger.Warn("the tables of policies were changed by somebody, and are written anew", "error", err)
	e.planner.Take()
	if err := e.tables.Sync(e.planner.Plan()); err != nil {
		e.close()
		e.cfg.Logger.Error("the tables of policies were not written", "error", err)
	}
}

func (e *Enforcer) letGo() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tables != nil {
		e.close()
	}
}

func (e *Enforcer) close() {
	_ = e.tables.Close() // it is of no use any more
	e.tables = nil
}

func (e *Enforcer) tell(status Status) {
	if status == e.status {
		return
	}
	e.status = status
	e.cfg.Logger.Info("network policies", "enforced", status.Enforced, "reason", status.Reason, "message", status.Message)
	e.cfg.Told(status)
}
