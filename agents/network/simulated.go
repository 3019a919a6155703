package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"segno/agents/runtime"
)

// Simulated hands out addresses and cables nothing.
type Simulated struct {
	mu   sync.Mutex
	pool *pool
}

// NewSimulated answers a network that waits for its CIDR.
func NewSimulated() *Simulated { return &Simulated{} }

// Setup sets the CIDRs; held are the addresses of pods that run already. It
// fails while they are of another CIDR.
func (s *Simulated) Setup(_ context.Context, cidrs []netip.Prefix, held map[string]netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pool, err := renew(s.pool, cidrs, held)
	if err != nil {
		return err
	}
	s.pool = pool
	return nil
}

// Allocate reserves addresses for the pod.
func (s *Simulated) Allocate(uid string) ([]netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		return nil, ErrNotSetUp
	}
	return s.pool.allocate(uid)
}

// Attach does nothing.
func (s *Simulated) Attach(context.Context, string, runtime.Sandbox, []HostPort) error { return nil }

// Release frees the address.
func (s *Simulated) Release(_ context.Context, uid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		s.pool.free(uid)
	}
	return nil
}

// Dial finds nobody: nothing listens in a simulated pod.
func (s *Simulated) Dial(context.Context, runtime.Sandbox, int32) (net.Conn, error) {
	return nil, errors.New("simulated pods listen on no port")
}
