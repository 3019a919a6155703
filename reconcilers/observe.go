package reconcilers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"segno/events"
	"segno/proto"
)

// observeAll follows the feed until it ends.
func (l *Loop) observeAll(ctx context.Context) error {
	for change, err := range l.cfg.Feed.Watch(ctx, l.from, slices.Collect(maps.Keys(l.watches))...) {
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
	if err := l.spread(l.cfg.Views.View(), change, t); err != nil {
		return err
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// spread queues what the watches say about a change.
func (l *Loop) spread(view events.View, change *Change, t trigger) (err error) {
	defer recovered(&err)
	for _, w := range l.watches[change.Key.Resource] {
		keys := []Key{change.Key}
		if w.Keys != nil {
			if keys, err = w.Keys(view, change); err != nil {
				return fmt.Errorf("keys of %s for %s at %s: %w", l.cfg.Reconciler.Name(), change.Key, change.Seq, err)
			}
		}
		if change.err != nil {
			return fmt.Errorf("keys of %s: %w", l.cfg.Reconciler.Name(), change.err)
		}
		for _, key := range keys {
			l.add(key, t, time.Now().Add(w.Settle))
		}
	}
	return nil
}

// resync queues every object of the watched kinds, each with its own newest
// event as the cause.
func (l *Loop) resync() error {
	view := l.cfg.Views.View()
	for resource := range l.watches {
		page, err := view.List(events.Query{Resource: resource})
		if err != nil {
			return fmt.Errorf("resync %s of %s: %w", resource, l.cfg.Reconciler.Name(), err)
		}
		for _, obj := range page.Items {
			change, err := existing(resource.Key(obj.GetNamespace(), obj.GetName()), obj)
			if err != nil {
				return err
			}
			if err := l.spread(view, change, trigger{seq: change.Seq}); err != nil {
				return err
			}
		}
	}
	l.from, l.resynced = view.Seq(), true
	return nil
}
