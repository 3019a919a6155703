package projections

import (
	"hash/maphash"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"segno/proto"
)

// presence knows which objects live, by hashes of their keys: that a name is
// free, which every creation asks twice, is then told without a look at the
// rows. It may take an absent object for a living one, never the other way round.
type presence struct {
	seed  maphash.Seed
	mu    sync.RWMutex
	count map[uint64]uint32 // how many living objects have the hash
}

// loadPresence reads the keys of all current rows.
func loadPresence(db *pebble.DB) (*presence, error) {
	p := &presence{seed: maphash.MakeSeed(), count: map[uint64]uint32{}}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceCurrent}, UpperBound: []byte{spaceCurrent + 1}})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		p.count[maphash.Bytes(p.seed, it.Key())]++
	}
	return p, it.Close()
}

func (p *presence) hash(key proto.ObjectKey) uint64 {
	var room [256]byte
	return maphash.Bytes(p.seed, appendObject(room[:0], spaceCurrent, key))
}

func (p *presence) add(key proto.ObjectKey) {
	hash := p.hash(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[hash]++
}

func (p *presence) remove(key proto.ObjectKey) {
	hash := p.hash(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[hash]--; p.count[hash] == 0 {
		delete(p.count, hash)
	}
}

// may is false when no such object lives.
func (p *presence) may(key proto.ObjectKey) bool {
	hash := p.hash(key)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.count[hash] > 0
}
