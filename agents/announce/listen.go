package announce

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// message is what a neighbour said, of either protocol.
type message struct {
	claims netip.Addr // that it says is its own; invalid is none
	by     net.HardwareAddr
	asks   netip.Addr // whose place it wants to know; invalid is none
	// What to answer then, and whom.
	answer []byte
	to     net.HardwareAddr
}

// understand reads what arrived at a port, sent by that hardware address.
func (p *port) understand(packet []byte, from net.HardwareAddr) (message, error) {
	if p.v6 {
		return p.understandNeighbour(packet, from)
	}
	m, err := parseARP(packet)
	if err != nil {
		return message{}, err
	}
	out := message{by: m.sender}
	if address, ok := m.claim(); ok {
		out.claims = address
	}
	if m.asks() {
		out.asks, out.to, out.answer = m.wanted, m.sender, m.answered(p.hardware).bytes()
	}
	return out, nil
}

func (p *port) understandNeighbour(packet []byte, from net.HardwareAddr) (message, error) {
	m, err := parseNeighbour(packet)
	if err != nil {
		return message{}, err
	}
	out := message{by: from}
	if m.link != nil {
		out.by = m.link
	}
	if m.advertises {
		out.claims = m.target
		return out, nil
	}
	answer := m.answered(p.local, p.hardware)
	out.asks, out.to, out.answer = m.target, out.by, answer.bytes()
	if answer.to == allNodes {
		out.to = groupLink(allNodes)
	}
	return out, nil
}

// listen answers whoever asks at a port, until ctx ends or the link is gone.
func (a *Announcer) listen(ctx context.Context, p *port) error {
	buffer := make([]byte, longest)
	for {
		packet, from, err := p.read(ctx, buffer)
		if err != nil {
			return err
		}
		m, err := p.understand(packet, from)
		if err != nil {
			continue // anybody can send anything
		}
		if err := a.hear(ctx, p, m); err != nil && ctx.Err() == nil {
			a.cfg.Logger.Debug("a neighbour was not answered", "error", err)
		}
	}
}

// hear does what a message asks for.
func (a *Announcer) hear(ctx context.Context, p *port, m message) error {
	if m.claims.IsValid() && a.contested(p, m) {
		if err := p.announce(ctx, m.claims); err != nil {
			return err
		}
	}
	if !m.asks.IsValid() || !a.speaksFor(p, m.asks) {
		return nil
	}
	return p.write(ctx, m.to, m.answer)
}

// speaksFor tells whether this node announces the address on the port's link.
func (a *Announcer) speaksFor(p *port, address netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.duties.answers(address) && a.at[address][p.index]
}

// contested tells whether an address has to be defended.
func (a *Announcer) contested(p *port, m message) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	who, where := m.by.String(), spot{m.claims, p.index}
	if a.own[who] {
		return false
	}
	if !a.trials.isFree(where) {
		if !a.known[who] && a.trials.heard(where, time.Now()) {
			a.cfg.Logger.Warn("another machine, which is no node, has a load balancer address, so this node does not announce it; take the address out of the pool, or from that machine; tried again every few seconds",
				"address", m.claims, "machine", who, "interface", p.name)
		}
		return false
	}
	now, inTouch := time.Now(), a.cfg.InTouch()
	news := a.duties.unheard(m.claims, now)
	what := a.duties.heard(m.claims, now, inTouch)
	switch {
	case what == defend && inTouch && news: // one who is out of touch gives way soon, and says so then
		a.cfg.Logger.Warn("another machine says that it has a load balancer address that this node announces, and defends", "address", m.claims, "machine", who, "interface", p.name)
	case what == giveWay:
		a.cfg.Logger.Warn("this node, which does not hear from the control plane, leaves a load balancer address to another machine", "address", m.claims, "machine", who, "interface", p.name)
	}
	return what == defend
}
