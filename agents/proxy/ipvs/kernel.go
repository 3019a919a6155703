package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/cloudflare/ipvs/netmask"
	"golang.org/x/sys/unix"

	"segno/agents/proxy"
)

// probeMark is a packet's mark that nothing sets.
const probeMark = 0x5e6f0053

// errForeign is why a virtual server is left alone.
var errForeign = errors.New("another program has a virtual server there")

// tryScheduler finds out whether the kernel has the scheduler, with a virtual
// server for packets that nobody marks.
func (p *Plane) tryScheduler() error {
	probe := ipvs.Service{FWMark: probeMark, Family: ipvs.INET, Netmask: netmask.MaskFrom(32, 32), Scheduler: p.cfg.Scheduler}
	err := p.kernel.CreateService(probe)
	if errors.Is(err, unix.EEXIST) {
		return nil // another process asks just now
	}
	if err != nil {
		return fmt.Errorf("ask IPVS for its scheduler %s (module ip_vs_%s; --ipvs-scheduler takes another): %w", p.cfg.Scheduler, p.cfg.Scheduler, err)
	}
	if err := p.kernel.RemoveService(probe); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove a virtual server again that asked for the scheduler: %w", err)
	}
	return nil
}

// read asks the kernel for all virtual servers of ours. What was known of them
// and the kernel cannot tell is kept.
func (p *Plane) read(held map[netip.Addr]struct{}) error {
	all, err := p.kernel.Services()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("list the virtual servers of IPVS: %w", err)
	}
	before := p.servers
	p.servers, p.draining, p.uses = map[proxy.Dial]*server{}, map[proxy.Dial]struct{}{}, map[netip.Addr]int{}
	for i := range all {
		dial, ok := dialOf(&all[i].Service)
		if !ok || all[i].Flags&mark == 0 {
			continue
		}
		s, err := p.readServer(dial, all[i].Service, before[dial])
		if err != nil {
			return err
		}
		if _, s.held = held[dial.Address]; s.held {
			p.uses[dial.Address]++
		}
		p.servers[dial] = s
	}
	return nil
}

// readServer reads the backends of a virtual server.
func (p *Plane) readServer(dial proxy.Dial, service ipvs.Service, known *server) (*server, error) {
	service.Flags &^= ipvs.ServiceHashed
	service.Address = service.Address.Unmap()
	s := &server{service: service, backends: map[netip.AddrPort]*backend{}}
	if known != nil {
		s.owner, s.wanted, s.held = known.owner, known.wanted, known.held
	}
	all, err := p.kernel.Destinations(named(dial))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list the backends of %s: %w", dial, err)
	}
	for _, d := range all {
		at, b := netip.AddrPortFrom(d.Address.Unmap(), d.Port), &backend{}
		if d.Weight == 0 {
			b.since = time.Now()
			if known != nil && known.backends[at] != nil && !known.backends[at].since.IsZero() {
				b.since = known.backends[at].since
			}
			p.draining[dial] = struct{}{}
		}
		s.backends[at] = b
	}
	return s, nil
}

// look reads one virtual server anew, because it was not what we thought.
func (p *Plane) look(dial proxy.Dial) error {
	before := p.servers[dial]
	got, err := p.kernel.Service(named(dial))
	switch {
	case errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist):
		p.forget(dial)
		return nil
	case err != nil:
		return fmt.Errorf("read the virtual server %s: %w", dial, err)
	case got.Flags&mark == 0:
		p.forget(dial)
		return errForeign
	}
	s, err := p.readServer(dial, got.Service, before)
	if err != nil {
		return err
	}
	p.servers[dial] = s
	return nil
}

// forget drops a virtual server that is not there from what we know.
func (p *Plane) forget(dial proxy.Dial) {
	s := p.servers[dial]
	if s == nil {
		return
	}
	delete(p.servers, dial)
	delete(p.draining, dial)
	if s.held {
		p.uses[dial.Address]--
	}
}
