package dns

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	mdns "github.com/miekg/dns"

	"segno/agents/resolv"
	"segno/agents/wait"
)

// rereadEvery is how long a change of the node's resolv.conf may go unnoticed.
const rereadEvery = 5 * time.Second

// upstreams are the servers that are asked for names outside the cluster: those
// of a list, or those of a file that may change. None of them leads back here.
type upstreams struct {
	path string           // "" is a list that stays
	own  []netip.AddrPort // addresses of this server
	log  *slog.Logger

	text   string // of the file, as it was last read
	unread bool   // it could not be

	mu     sync.Mutex
	all    []netip.AddrPort
	loops  map[netip.AddrPort]bool
	probes map[string]netip.AddrPort // name of a question that was sent to see whether it comes back
}

// servers answers whom to ask, in order.
func (u *upstreams) servers() []netip.AddrPort {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(u.all), func(s netip.AddrPort) bool { return u.loops[s] })
}

// set takes a new list.
func (u *upstreams) set(servers []netip.AddrPort) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = slices.DeleteFunc(slices.Clone(servers), func(s netip.AddrPort) bool { return slices.Contains(u.own, s) })
	u.loops, u.probes = map[netip.AddrPort]bool{}, map[string]netip.AddrPort{}
	for _, server := range u.all {
		u.probes[strings.ToLower(rand.Text()+"."+rand.Text()+".")] = server
	}
}

// returned notes a question that this server itself had sent out.
func (u *upstreams) returned(q mdns.Question) bool {
	if q.Qtype != mdns.TypeHINFO {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	server, ours := u.probes[strings.ToLower(q.Name)]
	if !ours {
		return false
	}
	if !u.loops[server] {
		u.loops[server] = true
		u.log.Warn("a DNS server leads back to this node's own and is not asked: name another with --resolv-conf", "server", server)
	}
	return true
}

// probe sends each server a question that nobody else asks. Without an answer
// nothing is known, and nothing need be: the question cannot come back either.
func (u *upstreams) probe(ctx context.Context) {
	u.mu.Lock()
	probes := make(map[string]netip.AddrPort, len(u.probes))
	for name, server := range u.probes {
		probes[name] = server
	}
	u.mu.Unlock()
	var sent sync.WaitGroup
	for name, server := range probes {
		sent.Go(func() { _, _ = send(ctx, "udp", key{name: name, kind: mdns.TypeHINFO}, server, true) })
	}
	sent.Wait()
}

// watch keeps the list at what the file says.
func (u *upstreams) watch(ctx context.Context) error {
	for {
		u.probe(ctx)
		for {
			if err := wait.For(ctx, rereadEvery); err != nil {
				return err
			}
			if u.reread() {
				break
			}
		}
	}
}

// reread says whether the file has another text than before. One that cannot be
// read changes nothing.
func (u *upstreams) reread() bool {
	if u.path == "" {
		return false
	}
	now, err := os.ReadFile(u.path)
	if (err != nil) != u.unread {
		u.unread = err != nil
		if err != nil {
			u.log.Warn("changes of the node's DNS servers are not seen", "error", err)
		}
	}
	if err != nil || string(now) == u.text {
		return false
	}
	u.text = string(now)
	u.set(serversOf(resolv.Parse(u.text)))
	return true
}

// serversOf reads addresses; a resolv.conf knows no other port.
func serversOf(conf resolv.Conf) []netip.AddrPort {
	var out []netip.AddrPort
	for _, text := range conf.Servers {
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.AddrPortFrom(addr.Unmap(), 53))
		}
	}
	return out
}
