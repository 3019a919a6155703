package userspace

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"segno/agents/proxy"
)

// surroundings say who is on this node, and where the plane itself listens.
type surroundings struct {
	mu    sync.RWMutex
	pods  []netip.Prefix
	own   map[netip.Addr]struct{}
	ports map[proxy.Dial]struct{}
}

func (s *surroundings) set(pods []netip.Prefix, own map[netip.Addr]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods, s.own = pods, own
}

func (s *surroundings) inside(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, own := s.own[a]; own {
		return true
	}
	return slices.ContainsFunc(s.pods, func(p netip.Prefix) bool { return p.Contains(a) })
}

// listen notes that the plane listens somewhere, or no more.
func (s *surroundings) listen(at proxy.Dial, does bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !does {
		delete(s.ports, at)
		return
	}
	if s.ports == nil {
		s.ports = map[proxy.Dial]struct{}{}
	}
	s.ports[at] = struct{}{}
}

// listens says that a backend is the plane itself: to connect there would be to
// come back here, for ever if two Services lead to one another.
func (s *surroundings) listens(at proxy.Dial) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, does := s.ports[at]
	return does
}

// ownAddresses are those of this node's links.
func ownAddresses() (map[netip.Addr]struct{}, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list this node's addresses: %w", err)
	}
	out := map[netip.Addr]struct{}{}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out[ip.Unmap()] = struct{}{}
			}
		}
	}
	return out, nil
}
