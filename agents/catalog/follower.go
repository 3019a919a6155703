package catalog

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Follower is told which Services changed; of several changes to one it is told
// once, and what the Service is now it asks the catalog.
type Follower struct {
	catalog *Catalog
	wake    chan struct{} // holds one token while there is something to tell

	mu    sync.Mutex
	dirty map[types.NamespacedName]struct{}
}

// Follow answers a follower to whom every Service that is known now is a change.
func (c *Catalog) Follow() *Follower {
	f := &Follower{catalog: c, wake: make(chan struct{}, 1), dirty: map[types.NamespacedName]struct{}{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.services {
		f.tell(name)
	}
	if c.followers == nil {
		c.followers = map[*Follower]struct{}{}
	}
	c.followers[f] = struct{}{}
	return f
}

// Next waits until a Service changed, and answers all that did since the last
// call, in no order. The error is that of ctx.
func (f *Follower) Next(ctx context.Context) ([]types.NamespacedName, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.wake:
		return f.Take(), nil
	}
}

// Changed receives when there is something to Take: for a select beside other
// events.
func (f *Follower) Changed() <-chan struct{} { return f.wake }

// Take answers what changed since the last call, without waiting.
func (f *Follower) Take() []types.NamespacedName {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Collect(maps.Keys(f.dirty))
	clear(f.dirty)
	return out
}

// Close ends the following; Next then waits for its context only.
func (f *Follower) Close() {
	f.catalog.mu.Lock()
	defer f.catalog.mu.Unlock()
	delete(f.catalog.followers, f)
}

func (c *Catalog) changed(name types.NamespacedName) {
	for f := range c.followers {
		f.tell(name)
	}
}

func (f *Follower) tell(name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty[name] = struct{}{}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
