package reconcilers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"segno/events"
	"segno/proto"
)

// observeAll follows the feed until it ends.
func (l *Loop) observeAll(ctx context.Context) error {
	for change, err := range l.cfg.Feed.Watch(ctx, l.from, l.resources()...) {
		if err == nil {
			err = l.Observe(change)
		}
		if err != nil {
			return fmt.Errorf("follow the log: %w", err)
		}
	}
	return nil
}

// Observe turns a change into keys. It does not wait for them.
func (l *Loop) Observe(c events.Change) error {
	if len(l.watches[c.Event.Key.Resource]) == 0 || c.Event.Section == proto.SectionMark {
		return nil
	}
	change := newChange(l.cfg.Decode, c)
	t := trigger{seq: change.Seq, correlation: c.Correlation, significant: change.Significant()}
	l.spread(l.cfg.Views.View(), change, t)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// spread queues what the watches say about a change. A watch that fails holds up
// neither the others nor other objects: what it would have said is asked for
// again in a resync.
func (l *Loop) spread(view events.View, change *Change, t trigger) {
	for _, w := range l.watches[change.Key.Resource] {
		keys, err := keysOf(&w, view, change)
		if err != nil {
			l.skip(change.Key, err)
			continue
		}
		for _, key := range keys {
			l.add(key, t, l.cfg.Now().Add(w.Settle))
		}
	}
}

// keysOf is what a watch says about a change.
func keysOf(w *Watch, view events.View, change *Change) (keys []Key, err error) {
	defer recovered(&err)
	if w.Keys == nil {
		return []Key{change.Key}, nil
	}
	if keys, err = w.Keys(view, change); err != nil {
		return nil, err
	}
	return keys, change.err
}

// skip leaves an object out until the next resync, which comes in a while.
func (l *Loop) skip(key Key, err error) {
	again := l.cfg.Now().Add(l.cfg.BackoffMax)
	l.cfg.Log.Error("an object is left out, and looked at again in a resync", "key", key, "in", l.cfg.BackoffMax, "err", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resyncAt.IsZero() {
		l.resyncAt = again
	}
}

// resources are those that are watched, always in the same order.
func (l *Loop) resources() []proto.Resource {
	return slices.SortedFunc(maps.Keys(l.watches), func(a, b proto.Resource) int { return strings.Compare(a.String(), b.String()) })
}

// resync queues every object of the watched kinds, each with its own newest
// event as the cause.
func (l *Loop) resync() error {
	l.mu.Lock()
	l.resyncAt = time.Time{}
	l.mu.Unlock()
	view := l.cfg.Views.View()
	for _, resource := range l.resources() {
		page, err := view.List(events.Query{Resource: resource})
		if err != nil {
			return fmt.Errorf("resync %s of %s: %w", resource, l.cfg.Reconciler.Name(), err)
		}
		for _, obj := range page.Items {
			key := resource.Key(obj.GetNamespace(), obj.GetName())
			change, err := existing(key, obj)
			if err != nil {
				l.skip(key, err)
				continue
			}
			l.spread(view, change, trigger{seq: change.Seq})
		}
	}
	if !l.resynced {
		l.from, l.resynced = view.Seq(), true
	}
	return nil
}

// resyncDue tells whether objects that were left out are to be looked at.
func (l *Loop) resyncDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.resyncAt.IsZero() && !l.cfg.Now().Before(l.resyncAt)
}
