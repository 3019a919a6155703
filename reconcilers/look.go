package reconcilers

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"segno/events"
)

// handle looks at one key and deals with what comes of it.
func (l *Loop) handle(ctx context.Context, key Key, t trigger) {
	if err := l.ascertain(ctx); err != nil {
		l.again(key, t, failed, err)
		return
	}
	now := l.cfg.Now()
	view := l.cfg.Views.View()
	if view.Seq() < l.committed {
		l.add(key, t, now.Add(catchUpPause))
		return
	}
	decision, err := l.reconcile(view, key, now)
	if err != nil {
		l.again(key, t, failed, err)
		return
	}
	done := l.carryOut(ctx, key, t, decision)
	if ctx.Err() != nil {
		l.add(key, t, now) // unfinished; whoever takes the loop up again starts here
		return
	}
	worst, err := done.worst, done.err
	if len(done.refusals) > 0 {
		told, after := l.explain(ctx, key, t, done.refusals)
		if told.worst > worst {
			worst, err = told.worst, told.err
		}
		if after > 0 {
			decision.Look(after)
		}
	}
	l.again(key, t, worst, err)
	if decision.After > 0 && worst <= refused {
		t.significant = false
		l.add(key, t, now.Add(decision.After))
	}
}

// reconcile calls the reconciler and turns a panic into an error.
func (l *Loop) reconcile(view events.View, key Key, at time.Time) (d Decision, err error) {
	defer recovered(&err)
	return l.cfg.Reconciler.Reconcile(view, key, at)
}

// recovered turns a panic into *err.
func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
	}
}

// again queues the key once more if the answer asks for it.
func (l *Loop) again(key Key, t trigger, class answer, err error) {
	tried := l.attempts[key]
	switch {
	case class == accepted || class == refused:
		delete(l.attempts, key)
		return
	case class == stale && tried.stale < maxStale:
		tried.stale++
		l.attempts[key] = tried
		l.add(key, t, l.cfg.Now())
		return
	}
	tried.failed++
	l.attempts[key] = tried
	pause := l.backoff(tried.failed)
	l.cfg.Log.Warn("reconcile failed; trying again", "key", key, "in", pause, "err", err)
	l.add(key, t, l.cfg.Now().Add(pause))
}

// backoff doubles with every failure in a row.
func (l *Loop) backoff(failures int) time.Duration {
	pause := l.cfg.BackoffMin
	for i := 1; i < failures && pause < l.cfg.BackoffMax; i++ {
		pause *= 2
	}
	return min(pause, l.cfg.BackoffMax)
}
