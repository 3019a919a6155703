package ingress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/catalog"
	"segno/agents/proxy"
	"segno/events/ingressrule"
)

// speech is how a backend is spoken to.
type speech int

const (
	plainHTTP speech = iota
	plainHTTP2
	overTLS
)

// avoidFor is how long an endpoint that could not be reached is tried last.
const avoidFor = 5 * time.Second

// pool is who may answer for a backend.
type pool struct {
	mu     sync.Mutex
	speech speech
	at     []netip.AddrPort
	why    error // nobody does
	turn   int
	avoid  map[netip.AddrPort]time.Time // until when
}

// look sets the pool to what a node knows of its backend.
func (p *pool) look(known *catalog.Catalog, backend Backend, node proxy.Node) {
	at, how, err := endpoints(known, backend, node)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.speech, p.why = at, how, err
	for a := range p.avoid { // one that comes back is a new one
		if !slices.Contains(at, a) {
			delete(p.avoid, a)
		}
	}
}

// endpoints are those of a backend, or why there is none.
func endpoints(known *catalog.Catalog, backend Backend, node proxy.Node) ([]netip.AddrPort, speech, error) {
	service, found := known.Get(backend.Service)
	if !found {
		return nil, plainHTTP, fmt.Errorf("there is no Service %s", backend.Service)
	}
	port, err := ingressrule.Port(service.Service, backend.Port)
	if err != nil {
		return nil, plainHTTP, fmt.Errorf("service %s: %w", backend.Service, err)
	}
	at := proxy.Endpoints(service, port, node)
	if len(at) == 0 {
		return nil, plainHTTP, fmt.Errorf("no endpoint of Service %s is ready", backend.Service)
	}
	return at, spoken(port), nil
}

// spoken reads how a port says that it is spoken to; of what it does not say so,
// or in words of others, it is plain HTTP.
func spoken(port *corev1.ServicePort) speech {
	if port.AppProtocol == nil {
		return plainHTTP
	}
	switch *port.AppProtocol {
	case "kubernetes.io/h2c", "h2c", "grpc":
		return plainHTTP2
	case "https", "kubernetes.io/https":
		return overTLS
	}
	return plainHTTP
}

var errNobody = errors.New("no endpoint")

// order answers whom to try, the first first, and how to speak.
func (p *pool) order(now time.Time) ([]netip.AddrPort, speech, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.at)
	if n == 0 {
		return nil, p.speech, fmt.Errorf("%w: %w", errNobody, p.why)
	}
	p.turn++
	out, last := make([]netip.AddrPort, 0, n), []netip.AddrPort(nil)
	for i := range n {
		a := p.at[(p.turn+i)%n]
		if until, bad := p.avoid[a]; bad && now.Before(until) {
			last = append(last, a)
		} else {
			out = append(out, a)
		}
	}
	return append(out, last...), p.speech, nil
}

// silent notes that an endpoint could not be reached.
func (p *pool) silent(a netip.AddrPort, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.avoid == nil {
		p.avoid = map[netip.AddrPort]time.Time{}
	}
	p.avoid[a] = now.Add(avoidFor)
}

// answered notes that one was.
func (p *pool) answered(a netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.avoid, a)
}
