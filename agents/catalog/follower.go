package catalog

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// Follower is told which Services changed; of several changes to one it is told
// once, and what the Service is now it asks the catalog.
type Follower struct {
	changes[types.NamespacedName]
	catalog *Catalog
}

// Follow answers a follower to whom every Service that is known now is a change.
func (c *Catalog) Follow() *Follower {
	f := &Follower{catalog: c, changes: newChanges[types.NamespacedName]()}
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

// PolicyFollower is told which NetworkPolicies, pods and namespaces changed.
type PolicyFollower struct {
	changes[proto.ObjectKey]
	catalog *Catalog
}

// FollowPolicies answers a follower to whom everything that is known now is a
// change.
func (c *Catalog) FollowPolicies() *PolicyFollower {
	f := &PolicyFollower{catalog: c, changes: newChanges[proto.ObjectKey]()}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.policed {
		f.tell(key)
	}
	if c.policyFollowers == nil {
		c.policyFollowers = map[*PolicyFollower]struct{}{}
	}
	c.policyFollowers[f] = struct{}{}
	return f
}

// Close ends the following.
func (f *PolicyFollower) Close() {
	f.catalog.mu.Lock()
	defer f.catalog.mu.Unlock()
	delete(f.catalog.policyFollowers, f)
}

// changes are the names of what changed since somebody asked last.
type changes[K comparable] struct {
	wake chan struct{} // holds one token while there is something to tell

	mu    *sync.Mutex
	dirty map[K]struct{}
}

func newChanges[K comparable]() changes[K] {
	return changes[K]{wake: make(chan struct{}, 1), mu: &sync.Mutex{}, dirty: map[K]struct{}{}}
}

// Next waits until something changed, and answers all that did since the last
// call, in no order. The error is that of ctx.
func (c changes[K]) Next(ctx context.Context) ([]K, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.wake:
		return c.Take(), nil
	}
}

// Changed receives when there is something to Take: for a select beside other
// events.
func (c changes[K]) Changed() <-chan struct{} { return c.wake }

// Take answers what changed since the last call, without waiting.
func (c changes[K]) Take() []K {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := slices.Collect(maps.Keys(c.dirty))
	clear(c.dirty)
	return out
}

func (c changes[K]) tell(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty[key] = struct{}{}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
