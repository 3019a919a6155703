package projections

import (
	"slices"
	"sort"
	"sync"

	"segno/events"
	"segno/proto"
)

// recentMost bounds how many touched objects are remembered.
const recentMost = 1 << 14

// recent remembers which objects the newest transactions touched, so that a
// list of a moment ago can be read from the rows of now: only these objects are
// then looked up by version. A transaction is entered before its rows become visible.
type recent struct {
	mu      sync.RWMutex
	floor   proto.Seq // everything touched behind it is in touches
	touches []touched // by seq
}

type touched struct {
	seq proto.Seq
	key proto.ObjectKey
}

func newRecent() *recent { return &recent{} }

func (r *recent) add(batch []touched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.touches = append(r.touches, batch...)
	if over := len(r.touches) - recentMost; over > recentMost/4 {
		r.floor = r.touches[over-1].seq
		r.touches = slices.Clone(r.touches[over:])
	}
}

// since answers the objects of the query's collection that were touched behind
// seq, in key order; ok is false when that is no longer known.
func (r *recent) since(seq proto.Seq, query *events.Query) (keys []proto.ObjectKey, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if seq < r.floor {
		return nil, false
	}
	from := sort.Search(len(r.touches), func(i int) bool { return r.touches[i].seq > seq })
	for _, t := range r.touches[from:] {
		if t.key.Resource == query.Resource && (query.Namespace == "" || t.key.Namespace == query.Namespace) {
			keys = append(keys, t.key)
		}
	}
	slices.SortFunc(keys, events.CompareKeys)
	return slices.Compact(keys), true
}
