package projections

import (
	"slices"
	"sort"
	"sync"

	"segno/events"
	"segno/proto"
)

// recentMost is how many touched objects are remembered.
const recentMost = 1 << 14

// recent remembers which objects the newest transactions touched, so that a
// list of a moment ago can be read from the rows of now: only these objects are
// then looked up by version. A transaction is entered before its rows become visible.
type recent struct {
	mu    sync.RWMutex
	floor proto.Seq // everything touched behind it is in the ring
	ring  []touched // by seq, the oldest at first
	first int
	limit int
}

type touched struct {
	seq proto.Seq
	key proto.ObjectKey
}

func newRecent(seq proto.Seq) *recent { return &recent{floor: seq, limit: recentMost} }

func (r *recent) add(batch []touched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range batch {
		if len(r.ring) < r.limit {
			r.ring = append(r.ring, t)
			continue
		}
		r.floor = r.ring[r.first].seq
		r.ring[r.first] = t
		r.first = (r.first + 1) % r.limit
	}
}

// at is the i-th touch, oldest first.
func (r *recent) at(i int) *touched { return &r.ring[(r.first+i)%len(r.ring)] }

// since answers the objects of the query's collection that were touched behind
// seq, in key order; ok is false when that is no longer known.
func (r *recent) since(seq proto.Seq, query *events.Query) (keys []proto.ObjectKey, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if seq < r.floor {
		return nil, false
	}
	for i := r.behind(seq); i < len(r.ring); i++ {
		key := &r.at(i).key
		if key.Resource == query.Resource && (query.Namespace == "" || key.Namespace == query.Namespace) {
			keys = append(keys, *key)
		}
	}
	slices.SortFunc(keys, events.CompareKeys)
	return slices.Compact(keys), true
}

// searchMost is how many touches are looked through for one object.
const searchMost = 512

// untouched says that nothing behind seq touched the object, where that is
// quickly found.
func (r *recent) untouched(key proto.ObjectKey, seq proto.Seq) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	from := r.behind(seq)
	if seq < r.floor || len(r.ring)-from > searchMost {
		return false
	}
	for i := from; i < len(r.ring); i++ {
		if r.at(i).key == key {
			return false
		}
	}
	return true
}

// behind is the first touch behind seq.
func (r *recent) behind(seq proto.Seq) int {
	return sort.Search(len(r.ring), func(i int) bool { return r.at(i).seq > seq })
}
