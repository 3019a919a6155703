package dns

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"segno/agents/catalog"
)

// index finds Services by name, and names by address, each in one step. It is
// safe for concurrent use.
type index struct {
	mu         sync.RWMutex
	serial     uint32 // rises with each change
	services   map[types.NamespacedName]*entry
	namespaces map[string]int // Services in it
	back       map[netip.Addr][]backName
}

// backName is a name that an address has: a host's, or with "" the Service's.
type backName struct {
	service types.NamespacedName
	host    string
}

func newIndex() *index {
	return &index{
		services: map[types.NamespacedName]*entry{}, namespaces: map[string]int{}, back: map[netip.Addr][]backName{},
	}
}

// set makes a Service what it now is; nil is its end. One whose name cannot be
// asked for is not kept.
func (x *index) set(name types.NamespacedName, now *entry) {
	if !isLabel(name.Name) || !isLabel(name.Namespace) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.serial++
	if before := x.services[name]; before != nil {
		delete(x.services, name)
		if x.namespaces[name.Namespace]--; x.namespaces[name.Namespace] == 0 {
			delete(x.namespaces, name.Namespace)
		}
		for addr, host := range before.back {
			x.drop(addr, backName{name, host})
		}
	}
	if now == nil {
		return
	}
	x.services[name] = now
	x.namespaces[name.Namespace]++
	for addr, host := range now.back {
		x.back[addr] = append(x.back[addr], backName{name, host})
	}
}

func (x *index) drop(addr netip.Addr, name backName) {
	left := slices.DeleteFunc(x.back[addr], func(n backName) bool { return n == name })
	if len(left) == 0 {
		delete(x.back, addr)
		return
	}
	x.back[addr] = left
}

func (x *index) service(name types.NamespacedName) *entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.services[name]
}

func (x *index) hasNamespace(name string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.namespaces[name] > 0
}

func (x *index) names(addr netip.Addr) []backName {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Clone(x.back[addr])
}

func (x *index) version() uint32 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.serial
}

// update reads the Services that changed.
func (x *index) update(from *catalog.Catalog, changed []types.NamespacedName) {
	for _, name := range changed {
		service, found := from.Get(name)
		if !found {
			x.set(name, nil)
			continue
		}
		x.set(name, newEntry(service))
	}
}

// follow keeps the index at what the catalog holds.
func (x *index) follow(ctx context.Context, from *catalog.Catalog, follower *catalog.Follower) error {
	for {
		changed, err := follower.Next(ctx)
		if err != nil {
			return err
		}
		x.update(from, changed)
	}
}
