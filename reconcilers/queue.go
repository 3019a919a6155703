package reconcilers

import (
	"container/heap"
	"time"

	"segno/proto"
)

// trigger is why a key is looked at.
type trigger struct {
	seq         proto.Seq // 0 when there is no change behind it
	correlation string
	significant bool // a change of what is wanted
}

// better answers the one that explains more: the newest significant one, or
// else the newest one.
func (t trigger) better(other trigger) trigger {
	if t.significant != other.significant {
		if t.significant {
			return t
		}
		return other
	}
	if other.seq > t.seq {
		return other
	}
	return t
}

// queue holds each key at most once, in the order in which it falls due. It
// reads no clock and is not safe for use by several goroutines.
type queue struct {
	items map[Key]*item
	byDue dueHeap
	order uint64
}

type item struct {
	key     Key
	trigger trigger
	due     time.Time
	order   uint64 // first come, first served among those due at once
	index   int    // in the heap
}

// add puts a key into the queue, or brings one that is there forward.
func (q *queue) add(key Key, t trigger, due time.Time) {
	if found := q.items[key]; found != nil {
		found.trigger = found.trigger.better(t)
		if due.Before(found.due) {
			found.due = due
			heap.Fix(&q.byDue, found.index)
		}
		return
	}
	if q.items == nil {
		q.items = map[Key]*item{}
	}
	q.order++
	added := &item{key: key, trigger: t, due: due, order: q.order}
	q.items[key] = added
	heap.Push(&q.byDue, added)
}

// next takes out the key that has been due the longest.
func (q *queue) next(now time.Time) (Key, trigger, bool) {
	if !q.due(now) {
		return Key{}, trigger{}, false
	}
	taken := heap.Pop(&q.byDue).(*item)
	delete(q.items, taken.key)
	return taken.key, taken.trigger, true
}

// due tells whether next has a key.
func (q *queue) due(now time.Time) bool {
	return len(q.byDue) > 0 && !q.byDue[0].due.After(now)
}

// wait is the time until a key falls due; ok is false when there is none.
func (q *queue) wait(now time.Time) (d time.Duration, ok bool) {
	if len(q.byDue) == 0 {
		return 0, false
	}
	return max(0, q.byDue[0].due.Sub(now)), true
}

// dueHeap implements heap.Interface.
type dueHeap []*item

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].order < h[j].order
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	added := x.(*item)
	added.index = len(*h)
	*h = append(*h, added)
}

func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
