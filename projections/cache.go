package projections

import (
	"sync"

	"segno/events"
)

// generations is a bounded cache: what was not used while the young half filled
// up is forgotten. It comes near to least-recently-used at the price of a map.
type generations[K comparable, V any] struct {
	mu         sync.Mutex
	limit      int // cost of one generation
	spent      int
	young, old map[K]V
	cost       func(V) int
}

// newGenerations makes a cache that holds values of about the given total cost.
func newGenerations[K comparable, V any](total int, cost func(V) int) *generations[K, V] {
	return &generations[K, V]{limit: max(total/2, 1), young: map[K]V{}, cost: cost}
}

func (g *generations[K, V]) get(key K) (V, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v, ok := g.young[key]; ok {
		return v, true
	}
	v, ok := g.old[key]
	if ok {
		delete(g.old, key)
		g.insert(key, v)
	}
	return v, ok
}

func (g *generations[K, V]) put(key K, v V) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.old, key)
	g.insert(key, v)
}

func (g *generations[K, V]) drop(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.old, key)
	if v, ok := g.young[key]; ok {
		delete(g.young, key)
		g.spent -= g.cost(v)
	}
}

func (g *generations[K, V]) insert(key K, v V) {
	if earlier, ok := g.young[key]; ok {
		g.spent -= g.cost(earlier)
	}
	price := g.cost(v)
	if g.spent+price > g.limit {
		g.old, g.young, g.spent = g.young, make(map[K]V, len(g.young)), 0
		delete(g.old, key)
	}
	g.young[key] = v
	g.spent += price
}

// sizeOf is about what a decoded object keeps in memory, in bytes.
func sizeOf(obj events.Object) int {
	encoded := 1024
	if s, ok := obj.(interface{ Size() int }); ok {
		encoded = s.Size()
	}
	return 1024 + 3*encoded
}
