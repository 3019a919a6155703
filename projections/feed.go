package projections

import (
	"slices"
	"sort"
	"sync"

	"segno/events"
	"segno/proto"
)

// txn is the changes that one transaction made. It is shared by all followers.
type txn struct {
	seq     proto.Seq
	changes []events.Change // one for each event that had an effect
	objects []events.Change // one for each object; the same slice when nothing is to be merged
	bytes   int
}

// settle merges the changes of the same object, and counts what the txn holds.
func (t *txn) settle(objects int) {
	t.objects = t.changes
	if objects < len(t.changes) {
		t.objects = mergeChanges(t.changes)
	}
	for i := range t.changes {
		t.bytes += 512 + len(t.changes[i].Event.Body)
	}
}

// mergeChanges makes one change of all those of an object: from before the first
// to after the last. What came and went at once is left out.
func mergeChanges(changes []events.Change) []events.Change {
	out := make([]events.Change, 0, len(changes))
	at := map[proto.ObjectKey]int{}
	for _, c := range changes {
		i, ok := at[c.Event.Key]
		if !ok {
			at[c.Event.Key] = len(out)
			out = append(out, c)
			continue
		}
		c.Before = out[i].Before
		out[i] = c
	}
	return slices.DeleteFunc(out, func(c events.Change) bool { return c.Before == nil && c.After.Deleted })
}

// feed keeps the newest transactions in memory for those who follow, and knows
// who follows what. Its ring holds every transaction with changes behind floor;
// who fell behind that reads from disk. It never waits for anyone.
type feed struct {
	mu     sync.Mutex
	seq    proto.Seq // newest transaction published
	floor  proto.Seq
	ring   []*txn
	bytes  int
	limit  int
	closed bool
	subs   map[proto.Resource]map[*Subscription]struct{} // the zero Resource follows everything
}

func newFeed(limit int, seq proto.Seq) *feed {
	return &feed{limit: limit, seq: seq, floor: seq, subs: map[proto.Resource]map[*Subscription]struct{}{}}
}

// followed tells whether anybody follows.
func (f *feed) followed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs) > 0
}

// publish releases the changes up to seq. When they were not made, because nobody
// followed, those who came meanwhile read them from disk.
func (f *feed) publish(txns []*txn, seq proto.Seq, made bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := f.seq
	f.seq = seq
	if !made {
		f.ring, f.bytes, f.floor = nil, 0, seq
		for r := range f.subs {
			f.wake(r, since+1)
		}
		return
	}
	for _, t := range txns {
		f.ring = append(f.ring, t)
		f.bytes += t.bytes
	}
	f.trim()
	for _, t := range txns {
		f.wake(proto.Resource{}, t.seq)
		for i := range t.changes {
			f.wake(t.changes[i].Event.Key.Resource, t.seq)
		}
	}
}

// trim forgets the oldest transactions beyond the limit.
func (f *feed) trim() {
	n := 0
	for ; f.bytes > f.limit && n < len(f.ring); n++ {
		f.bytes -= f.ring[n].bytes
		f.floor = f.ring[n].seq
		f.ring[n] = nil
	}
	f.ring = f.ring[n:]
}

func (f *feed) wake(r proto.Resource, seq proto.Seq) {
	for s := range f.subs[r] {
		if s.pending == 0 {
			s.pending = seq
			s.ring()
		}
	}
}

func (f *feed) add(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.closed = f.closed
	if s.cursor < f.seq {
		s.pending = s.cursor + 1
	}
	for _, r := range s.topics() {
		if f.subs[r] == nil {
			f.subs[r] = map[*Subscription]struct{}{}
		}
		f.subs[r][s] = struct{}{}
	}
}

func (f *feed) remove(s *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.closed = true
	for _, r := range s.topics() {
		delete(f.subs[r], s)
		if len(f.subs[r]) == 0 {
			delete(f.subs, r)
		}
	}
	s.ring()
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, subs := range f.subs {
		for s := range subs {
			s.closed = true
			s.ring()
		}
	}
}

// take answers up to most transactions of the ring behind seq, and whether
// those are all.
func (f *feed) take(seq proto.Seq, most int) (txns []*txn, all bool) {
	from := sort.Search(len(f.ring), func(i int) bool { return f.ring[i].seq > seq })
	to := min(from+most, len(f.ring))
	return slices.Clone(f.ring[from:to]), to == len(f.ring)
}
