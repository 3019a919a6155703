package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/wait"
)

// round is what a running proxy knows.
type round struct {
	cfg     Config
	node    Node
	book    *book
	health  *health
	dirty   map[types.NamespacedName]struct{} // to be told
	retries map[types.NamespacedName]retry
	flaws   map[types.NamespacedName]flaw

	syncAt     time.Time // when everything is compared next
	syncFailed int       // times in a row
}

// retry is when a Service that failed is told again.
type retry struct {
	failed int // times in a row
	at     time.Time
	said   string // why, so that it is said once
}

// flaw is what keeps a Service from being served whole.
type flaw struct {
	plan error  // what was left out of it
	said string // that and what others have, so that it is said once
}

// look plans everything anew when the node is another.
func (r *round) look() {
	node := r.cfg.Node()
	if node.Equal(r.node) {
		r.node.Others = node.Others
		return
	}
	r.node, r.syncAt = node, time.Time{}
	r.plan(r.cfg.Catalog.Names())
}

func (r *round) plan(names []types.NamespacedName) {
	for _, name := range names {
		rules, since := Rules{Service: name}, time.Time{}
		var left error
		if service, ok := r.cfg.Catalog.Get(name); ok {
			// What an object says of its own name is not what it was sent under.
			rules, left = Plan(service, r.node)
			rules.Service, since = name, service.CreationTimestamp.Time
		}
		touched := r.book.put(rules, since)
		r.flaws[name] = flaw{left, r.flaws[name].said}
		r.say(name)
		for _, other := range touched {
			r.dirty[other] = struct{}{}
			r.say(other)
		}
	}
}

// say logs once what a Service lacks, also what another one has taken from it.
func (r *round) say(name types.NamespacedName) {
	f := r.flaws[name]
	_, taken := r.book.rules(name)
	err := errors.Join(f.plan, taken)
	if err == nil {
		delete(r.flaws, name)
		return
	}
	if text := err.Error(); text != f.said {
		f.said = text
		r.cfg.Logger.Warn("a Service is served in part", "service", name, "error", err)
	}
	r.flaws[name] = f
}

// tell brings what changed, or everything when its time has come, to the plane.
func (r *round) tell(ctx context.Context) {
	now := time.Now()
	for name, again := range r.retries {
		if !again.at.After(now) {
			r.dirty[name] = struct{}{}
		}
	}
	if !r.syncAt.After(now) {
		r.sync(ctx)
		return
	}
	if len(r.dirty) == 0 || r.syncFailed > 0 {
		return // after a failed sync only a sync helps
	}
	changed := make([]Rules, 0, len(r.dirty))
	for name := range r.dirty {
		rules, _ := r.book.rules(name)
		changed = append(changed, rules)
	}
	slices.SortFunc(changed, func(a, b Rules) int { return byName(a.Service, b.Service) })
	failures, err := r.cfg.Plane.Set(ctx, changed)
	if err != nil {
		r.failed(ctx, fmt.Errorf("tell the data plane of %d Services: %w", len(changed), err))
		return
	}
	r.settle(ctx, changed, failures)
}

func (r *round) sync(ctx context.Context) {
	state := r.book.state(r.node)
	failures, err := r.cfg.Plane.Sync(ctx, state)
	if err != nil {
		r.failed(ctx, fmt.Errorf("bring %d Services to the data plane: %w", len(state.Services), err))
		return
	}
	r.syncAt, r.syncFailed = time.Now().Add(r.cfg.SyncEvery), 0
	r.cfg.Told(nil)
	told := state.Services
	for name := range r.dirty { // those that are no more, or only have health checks
		if rules, _ := r.book.rules(name); len(rules.Frontends) == 0 {
			told = append(told, rules)
		}
	}
	r.settle(ctx, told, failures)
}

// failed plans the next attempt, at everything: nobody knows what is there.
func (r *round) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.cfg.Logger.Error("Services may not work on this node", "error", err, "attempt", r.syncFailed+1)
	r.syncAt = time.Now().Add(wait.Spread(firstRetry, lastRetry, r.syncFailed))
	if r.syncFailed++; r.syncFailed >= doubtAfter { // not of what is right at once
		r.cfg.Told(err)
	}
}

// settle notes what was done and what is to be tried again.
func (r *round) settle(ctx context.Context, told []Rules, failures Failures) {
	all := Failures{}
	for i := range told {
		name := told[i].Service
		if err := failures[name]; err != nil {
			all.add(name, err)
		}
		if err := r.health.set(ctx, name, told[i].Health); err != nil {
			all.add(name, err)
		}
		delete(r.dirty, name)
		if all[name] == nil {
			delete(r.retries, name)
			continue
		}
		before, why := r.retries[name], all[name].Error()
		r.retries[name] = retry{before.failed + 1, time.Now().Add(wait.Spread(firstRetry, lastRetry, before.failed)), why}
		if why != before.said {
			r.cfg.Logger.Warn("a Service does not work on this node; tried again every now and then", "service", name, "error", all[name])
		}
		if failures[name] != nil && before.failed+1 == doubtAfter {
			r.syncAt = time.Time{} // perhaps what is there is not what the plane believes
		}
	}
}

// next is when something is due.
func (r *round) next() time.Time {
	next := r.syncAt
	if r.syncFailed > 0 {
		return next
	}
	for _, again := range r.retries {
		if again.at.Before(next) {
			next = again.at
		}
	}
	return next
}
