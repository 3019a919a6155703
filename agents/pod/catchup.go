package pod

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// now is the configured clock's.
func (k *Keeper) now() time.Time {
	if k.cfg.Now != nil {
		return k.cfg.Now()
	}
	return time.Now()
}

// CatchUp does all that is due on the configured clock, one pod after the other
// in the order in which they were woken, and answers when there is more to do:
// zero when only a change can matter. It is for who does not Run.
func (k *Keeper) CatchUp(ctx context.Context) (next time.Time) {
	k.wakeDue()
	for ctx.Err() == nil {
		if k.takeSweep() {
			k.lookAround(ctx)
		}
		l := k.next()
		if l == nil {
			break
		}
		k.slots <- struct{}{} // a pull gives its slot back meanwhile
		k.tend(ctx, l)
		k.done(l)
		<-k.slots
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.lives {
		if !l.due.IsZero() && (next.IsZero() || l.due.Before(next)) {
			next = l.due
		}
	}
	return next
}

// wakeDue queues the lives whose time has come, the earliest first.
func (k *Keeper) wakeDue() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	var due []*life
	for _, l := range k.lives {
		if !l.due.IsZero() && !l.due.After(now) {
			due = append(due, l)
		}
	}
	slices.SortFunc(due, func(a, b *life) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.uid, b.uid))
	})
	for _, l := range due {
		k.enqueue(l)
	}
}

// takes tells until when an action is under way on the configured clock. Asked
// for again once that is over, it is done; another action begins anew.
func (k *Keeper) takes(l *life, want Want, action Action, now time.Time) (until time.Time, takes bool) {
	if k.cfg.Takes == nil {
		return until, false
	}
	if l.doing != action {
		l.doing, l.until = action, now.Add(k.cfg.Takes(want, action))
	}
	if now.Before(l.until) {
		return l.until, true
	}
	l.doing = Action{}
	return until, false
}
