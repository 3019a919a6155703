package projections

import (
	"context"
	"iter"

	"segno/events"
	"segno/proto"
)

// Filter chooses what a subscription is told; zero is every event's change.
type Filter struct {
	Resources []proto.Resource // none is all
	// Objects merges the changes that one transaction makes to one object into
	// one, from before the first to after the last: what a client that tells
	// states apart by their resourceVersion needs. Event is then the last one.
	Objects bool
}

// Subscription follows the log. It is for one goroutine at a time, besides
// Close and Seen.
type Subscription struct {
	p      *Projection
	filter Filter
	bell   chan struct{} // holds a token when there may be something new

	// Guarded by the feed's mutex.
	cursor  proto.Seq // everything at or before it was taken from the feed
	pending proto.Seq // first transaction that may matter and was not taken; 0 is none
	queue   []*txn    // taken, not yet handed out
	closed  bool
}

// takeMost is how many transactions are taken out of the ring at a time.
const takeMost = 64

// Subscribe follows every change of the filter behind the sequence after: first
// those that lie on disk, then live ones as they become durable; never a gap, never
// one twice, however slow the consumer is.
func (p *Projection) Subscribe(after proto.Seq, filter Filter) (*Subscription, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if st := p.state.Load(); after < st.start() {
		return nil, p.outside("watch from", after, ErrTooOld)
	}
	s := &Subscription{p: p, filter: filter, bell: make(chan struct{}, 1), cursor: after}
	p.feed.add(s)
	return s, nil
}

// Close ends the subscription; a waiting Next returns ErrClosed.
func (s *Subscription) Close() { s.p.feed.remove(s) }

func (s *Subscription) topics() []proto.Resource {
	if len(s.filter.Resources) == 0 {
		return []proto.Resource{{}}
	}
	return s.filter.Resources
}

func (s *Subscription) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Next waits for the next transaction that changed something of the filter, and
// answers its changes. They are shared: not to be written to.
func (s *Subscription) Next(ctx context.Context) ([]events.Change, error) {
	for {
		changes, wait, err := s.step()
		if err != nil || len(changes) > 0 {
			return changes, err
		}
		if !wait {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-s.bell:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Poll is Next that does not wait: it answers nothing when there is nothing.
func (s *Subscription) Poll() ([]events.Change, error) {
	for {
		changes, wait, err := s.step()
		if err != nil || wait || len(changes) > 0 {
			return changes, err
		}
	}
}

// Seen is a sequence up to which everything of the filter was handed out: good
// for a bookmark.
func (s *Subscription) Seen() proto.Seq {
	s.p.feed.mu.Lock()
	defer s.p.feed.mu.Unlock()
	switch {
	case len(s.queue) > 0:
		return s.queue[0].seq - 1
	case s.pending > 0:
		return max(s.cursor, s.pending-1)
	default:
		return max(s.cursor, s.p.feed.seq)
	}
}

// step hands out one queued transaction, or fetches more; wait is set when there
// is nothing to fetch.
func (s *Subscription) step() (changes []events.Change, wait bool, err error) {
	f := s.p.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(s.queue) > 0 {
		t := s.queue[0]
		s.queue = s.queue[1:]
		if changes := s.choose(t); len(changes) > 0 {
			return changes, false, nil
		}
	}
	if s.closed {
		return nil, false, ErrClosed
	}
	if s.pending == 0 {
		s.cursor = max(s.cursor, f.seq)
		return nil, true, nil
	}
	s.cursor = max(s.cursor, s.pending-1)
	if s.cursor >= f.floor {
		s.fromRing(f)
		return nil, false, nil
	}
	return nil, false, s.fromDisk(f)
}

func (s *Subscription) fromRing(f *feed) {
	txns, all := f.take(s.cursor, takeMost)
	s.queue = txns
	if all {
		s.pending = 0
		return
	}
	s.cursor = txns[len(txns)-1].seq
	s.pending = s.cursor + 1
}

// fromDisk reads without the feed's mutex: it may take long.
func (s *Subscription) fromDisk(f *feed) error {
	from, to := s.cursor, f.seq
	f.mu.Unlock()
	txns, upto, err := s.p.replay(from, to)
	f.mu.Lock()
	if err != nil {
		return err
	}
	s.queue, s.cursor, s.pending = txns, upto, upto+1
	return nil
}

// choose answers the changes of a transaction that the filter wants.
func (s *Subscription) choose(t *txn) []events.Change {
	changes := t.changes
	if s.filter.Objects {
		changes = t.objects
	}
	wanted := 0
	for i := range changes {
		if s.wants(&changes[i]) {
			wanted++
		}
	}
	if wanted == len(changes) {
		return changes
	}
	out := make([]events.Change, 0, wanted)
	for i := range changes {
		if s.wants(&changes[i]) {
			out = append(out, changes[i])
		}
	}
	return out
}

func (s *Subscription) wants(c *events.Change) bool {
	if len(s.filter.Resources) == 0 {
		return true
	}
	for _, r := range s.filter.Resources {
		if c.Event.Key.Resource == r {
			return true
		}
	}
	return false
}

// Watch yields every single change behind the sequence after, first from disk,
// then live, until ctx ends or the consumer breaks off. The last thing it
// yields is the error.
func (p *Projection) Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	return p.watch(ctx, after, Filter{Resources: resources})
}

// WatchObjects is Watch with one change for all that a transaction does to an object.
func (p *Projection) WatchObjects(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	return p.watch(ctx, after, Filter{Resources: resources, Objects: true})
}

func (p *Projection) watch(ctx context.Context, after proto.Seq, filter Filter) iter.Seq2[events.Change, error] {
	return func(yield func(events.Change, error) bool) {
		s, err := p.Subscribe(after, filter)
		if err != nil {
			yield(events.Change{}, err)
			return
		}
		defer s.Close()
		for {
			changes, err := s.Next(ctx)
			if err != nil {
				yield(events.Change{}, err)
				return
			}
			for _, c := range changes {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}
