package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	mdns "github.com/miekg/dns"
)

const (
	// patience with one server, and with all of them.
	patience    = 1500 * time.Millisecond
	patienceAll = 4 * time.Second // clients wait for 5
	// avoided is for how long a server that did not answer is asked last.
	avoided = 10 * time.Second
	// mostAsked is how many questions wait for others at once.
	mostAsked = 1000
	// udpSize is the largest message over UDP: it fits through any tunnel.
	udpSize = 1232
)

var errBusy = errors.New("too many questions wait for other servers")

// forwarder asks other servers: each question once at a time, however many ask
// it, and not again while the answer holds.
type forwarder struct {
	cache   *cache
	flights singleflight.Group
	slots   chan struct{}

	mu     sync.Mutex
	failed map[netip.AddrPort]time.Time
}

func newForwarder(entries int) *forwarder {
	return &forwarder{cache: newCache(entries), slots: make(chan struct{}, mostAsked), failed: map[netip.AddrPort]time.Time{}}
}

// ask answers with a message that the caller may change.
func (f *forwarder) ask(ctx context.Context, k key, servers []netip.AddrPort) (*mdns.Msg, error) {
	if kept := f.cache.get(k); kept != nil {
		return kept, nil
	}
	if len(servers) == 0 {
		return nil, errors.New("no server to ask: the node's resolv.conf names none, or only this one")
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	default:
		return nil, errBusy
	}
	reply, err, _ := f.flights.Do(fmt.Sprint(k), func() (any, error) {
		if kept := f.cache.get(k); kept != nil {
			return kept, nil // the last flight has just landed
		}
		reply, err := f.tryAll(ctx, k, f.ordered(servers))
		if err == nil {
			f.cache.put(k, reply)
		}
		return reply, err
	})
	if err != nil {
		return nil, err
	}
	return reply.(*mdns.Msg).Copy(), nil
}

// ordered puts those that failed of late last; all others stay as a person has
// ordered them.
func (f *forwarder) ordered(servers []netip.AddrPort) []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	var good, bad []netip.AddrPort
	for _, server := range servers {
		if at, failed := f.failed[server]; failed && time.Since(at) < avoided {
			bad = append(bad, server)
		} else {
			good = append(good, server)
		}
	}
	return append(good, bad...)
}

func (f *forwarder) note(server netip.AddrPort, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if failed {
		f.failed[server] = time.Now()
	} else {
		delete(f.failed, server)
	}
}

// tryAll asks one server after the other, the only one twice: a packet may get
// lost. A refusal counts when nobody says better.
func (f *forwarder) tryAll(ctx context.Context, k key, servers []netip.AddrPort) (*mdns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceAll)
	defer cancel()
	if len(servers) == 1 {
		servers = append(servers, servers[0])
	}
	var refusal *mdns.Msg
	var failures []error
	for _, server := range servers {
		if ctx.Err() != nil {
			break
		}
		reply, err := exchange(ctx, k, server)
		switch {
		case err != nil:
			failures = append(failures, fmt.Errorf("ask %s: %w", server, err))
		case reply.Rcode == mdns.RcodeSuccess || reply.Rcode == mdns.RcodeNameError:
			f.note(server, false)
			return reply, nil
		default:
			refusal = reply
		}
		f.note(server, err != nil)
	}
	if refusal != nil {
		return refusal, nil
	}
	return nil, errors.Join(failures...)
}

// exchange asks one server, over TCP when the answer is too long for UDP.
func exchange(ctx context.Context, k key, server netip.AddrPort) (*mdns.Msg, error) {
	reply, err := send(ctx, "udp", k, server, true)
	if err == nil && (reply.Rcode == mdns.RcodeFormatError || reply.Rcode == mdns.RcodeNotImplemented) {
		reply, err = send(ctx, "udp", k, server, false) // some old ones know no extensions
	}
	if err != nil || !reply.Truncated {
		return reply, err
	}
	if whole, err := send(ctx, "tcp", k, server, true); err == nil {
		return whole, nil
	}
	return reply, nil // the beginning is better than nothing
}

func send(ctx context.Context, network string, k key, server netip.AddrPort, extended bool) (*mdns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	query := new(mdns.Msg).SetQuestion(k.name, k.kind)
	query.CheckingDisabled = k.cd
	if extended {
		query.SetEdns0(udpSize, k.secure)
	}
	client := mdns.Client{Net: network, Timeout: patience}
	reply, _, err := client.ExchangeContext(ctx, query, server.String())
	if err != nil {
		return nil, err
	}
	if len(reply.Question) != 1 || !strings.EqualFold(reply.Question[0].Name, k.name) || reply.Question[0].Qtype != k.kind {
		return nil, errors.New("the answer is to another question")
	}
	return reply, nil
}
