package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	mdns "github.com/miekg/dns"

	"segno/agents/catalog"
	"segno/agents/resolv"
)

const (
	defaultResolvConf = "/etc/resolv.conf"
	defaultEntries    = 10000
	// longestDomain leaves room for the names of a host, a Service and a namespace.
	longestDomain = 57
)

// Config of a Server. Catalog and Addresses are required.
type Config struct {
	// Catalog of the node's Services.
	Catalog *catalog.Catalog
	// Addresses that are listened on, with UDP and TCP. One need not be on the node
	// yet: who adds it there may come later.
	Addresses []netip.AddrPort
	// Domain of the cluster; empty is resolv.DefaultDomain.
	Domain string
	// Upstreams are asked for all other names, in this order; empty takes those of
	// ResolvConf, and follows its changes.
	Upstreams []netip.AddrPort
	// ResolvConf is the node's own; empty is /etc/resolv.conf.
	ResolvConf string
	// Stubs are domains that have servers of their own.
	Stubs map[string][]netip.AddrPort
	// Networks are the cluster's addresses: nobody else is asked for their names.
	Networks []netip.Prefix
	// CacheEntries is how many answers of others are kept; 0 is 10000.
	CacheEntries int
	Logger       *slog.Logger
}

// Server answers DNS questions.
type Server struct {
	cfg       Config
	zone      *zone
	follower  *catalog.Follower
	stubs     []stub // longest first
	forwarder *forwarder
	upstreams *upstreams
}

// stub is a domain whose names are asked of servers of its own.
type stub struct {
	domain  string
	servers []netip.AddrPort
}

// New answers a server that knows what the catalog holds. Nothing is listened on
// before Run.
func New(cfg Config) (*Server, error) {
	s, err := build(cfg)
	if err != nil {
		return nil, err
	}
	s.follower = cfg.Catalog.Follow()
	s.zone.index.update(cfg.Catalog, s.follower.Take())
	return s, nil
}

// Check says what is wrong with a configuration, as New would.
func Check(cfg Config) error {
	_, err := build(cfg)
	return err
}

func build(cfg Config) (*Server, error) {
	if cfg.Catalog == nil || len(cfg.Addresses) == 0 {
		return nil, errors.New("dns.New: Catalog and Addresses are required")
	}
	if cfg.Domain == "" {
		cfg.Domain = resolv.DefaultDomain
	}
	domain := mdns.Fqdn(strings.ToLower(cfg.Domain))
	if !isName(domain) || len(domain) > longestDomain+1 {
		return nil, fmt.Errorf("cluster domain %q: must be a DNS name of at most %d characters, such as %s", cfg.Domain, longestDomain, resolv.DefaultDomain)
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = defaultResolvConf
	}
	if cfg.CacheEntries <= 0 {
		cfg.CacheEntries = defaultEntries
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, forwarder: newForwarder(cfg.CacheEntries),
		zone:      &zone{domain: domain, index: newIndex(), shuffle: rand.Shuffle},
		upstreams: &upstreams{own: cfg.Addresses, log: cfg.Logger},
	}
	for _, address := range cfg.Addresses {
		s.zone.servers = append(s.zone.servers, address.Addr())
	}
	if len(cfg.Upstreams) == 0 {
		s.upstreams.path = cfg.ResolvConf
	}
	s.upstreams.set(cfg.Upstreams)
	return s, s.addStubs()
}

func (s *Server) addStubs() error {
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Stubs)) {
		domain := mdns.Fqdn(strings.ToLower(name))
		servers := slices.DeleteFunc(slices.Clone(s.cfg.Stubs[name]), func(a netip.AddrPort) bool { return slices.Contains(s.cfg.Addresses, a) })
		if !isName(domain) || len(servers) == 0 {
			return fmt.Errorf("stub domain %q with servers %v: must be a DNS name, with at least one server other than this one", name, s.cfg.Stubs[name])
		}
		s.stubs = append(s.stubs, stub{domain, servers})
	}
	slices.SortStableFunc(s.stubs, func(a, b stub) int { return mdns.CountLabel(b.domain) - mdns.CountLabel(a.domain) })
	return nil
}

// Run answers until ctx ends, once. An address that cannot be listened on is
// tried again, and does not keep the others from working.
func (s *Server) Run(ctx context.Context) error {
	defer s.follower.Close()
	s.upstreams.reread()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.zone.index.follow(ctx, s.cfg.Catalog, s.follower) })
	for _, address := range s.cfg.Addresses {
		group.Go(func() error { return s.listen(ctx, "udp", address) })
		group.Go(func() error { return s.listen(ctx, "tcp", address) })
	}
	group.Go(func() error { return s.upstreams.watch(ctx) })
	return group.Wait()
}
