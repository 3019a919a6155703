package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
)

// bring makes a virtual server what a frontend says.
func (p *Plane) bring(f *proxy.Frontend, owner types.NamespacedName) error {
	return p.twice(f.Dial, func() error { return p.make(f, owner) })
}

// retire ends a virtual server: at once, or when its connections ended.
func (p *Plane) retire(dial proxy.Dial) error {
	return p.twice(dial, func() error { return p.end(dial) })
}

// twice does something to a virtual server. If the kernel does not have it as
// we thought, what it has is read, and it is done again.
func (p *Plane) twice(dial proxy.Dial, do func() error) error {
	first := do()
	if first == nil {
		return nil
	}
	if err := p.look(dial); err != nil {
		return fmt.Errorf("%s: %w", dial, err)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", dial, err)
	}
	return nil
}

func (p *Plane) make(f *proxy.Frontend, owner types.NamespacedName) error {
	want := serviceOf(f, p.cfg.Scheduler)
	s := p.servers[f.Dial]
	switch {
	case s == nil:
		if err := p.kernel.CreateService(want); err != nil {
			return fmt.Errorf("make a virtual server: %w", err)
		}
		s = &server{service: want, backends: map[netip.AddrPort]*backend{}}
		p.servers[f.Dial] = s
	case s.service != want:
		if err := p.kernel.UpdateService(want); err != nil {
			return fmt.Errorf("change the virtual server: %w", err)
		}
		s.service = want
	}
	s.owner, s.wanted = owner, true
	wanted := map[netip.AddrPort]struct{}{}
	for _, b := range f.Outside.Backends {
		wanted[b.Address] = struct{}{}
		if err := p.use(s, b.Address); err != nil {
			return err
		}
	}
	for at := range s.backends {
		if _, ok := wanted[at]; !ok {
			if err := p.drain(f.Dial, s, at); err != nil {
				return err
			}
		}
	}
	if s.held || f.Kind == proxy.NodePort {
		return nil
	}
	// Last, so that nobody is refused who could be served.
	var err error
	s.held, err = p.hold(f.Dial.Address)
	return err
}

// use gives new connections to a backend.
func (p *Plane) use(s *server, at netip.AddrPort) error {
	b := s.backends[at]
	switch {
	case b == nil:
		if err := p.kernel.CreateDestination(s.service, destination(at, 1)); err != nil {
			return fmt.Errorf("add the backend %s: %w", at, err)
		}
		s.backends[at] = &backend{}
	case !b.since.IsZero():
		if err := p.kernel.UpdateDestination(s.service, destination(at, 1)); err != nil {
			return fmt.Errorf("use the backend %s again: %w", at, err)
		}
		b.since = time.Time{}
	}
	return nil
}

// drain gives a backend no more new connections. Flows of UDP leave it at once.
func (p *Plane) drain(dial proxy.Dial, s *server, at netip.AddrPort) error {
	if dial.Protocol == corev1.ProtocolUDP {
		return p.remove(s, at)
	}
	if b := s.backends[at]; b.since.IsZero() {
		if err := p.kernel.UpdateDestination(s.service, destination(at, 0)); err != nil {
			return fmt.Errorf("give no more connections to the backend %s: %w", at, err)
		}
		b.since = time.Now()
	}
	p.draining[dial] = struct{}{}
	return nil
}

// remove deletes a backend.
func (p *Plane) remove(s *server, at netip.AddrPort) error {
	if err := p.kernel.RemoveDestination(s.service, destination(at, 0)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the backend %s: %w", at, err)
	}
	delete(s.backends, at)
	return nil
}

// end drains all of a virtual server, and deletes it if there is nothing to
// wait for.
func (p *Plane) end(dial proxy.Dial) error {
	s := p.servers[dial]
	if s == nil {
		return nil
	}
	s.wanted = false
	for at := range s.backends {
		if err := p.drain(dial, s, at); err != nil {
			return err
		}
	}
	if len(s.backends) > 0 {
		return nil
	}
	return p.delete(dial, s)
}

// delete removes a virtual server, and its address if it was the last there.
func (p *Plane) delete(dial proxy.Dial, s *server) error {
	if err := p.kernel.RemoveService(s.service); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove the virtual server: %w", err)
	}
	delete(p.servers, dial)
	delete(p.draining, dial)
	if s.held {
		return p.release(dial.Address)
	}
	return nil
}
