package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"segno/agents/announce"
	"segno/agents/catalog"
	"segno/agents/dns"
	"segno/agents/network"
	"segno/agents/proxy"
	"segno/agents/proxy/ipvs"
	"segno/agents/wait"
)

// Options are a person's. The zero value is what most want.
type Options struct {
	// Mode of the proxy; empty is Auto.
	Mode Mode
	// Scheduler chooses backends where IPVS moves the traffic; empty is its
	// default.
	Scheduler string
	// NodePorts are the ranges whose addresses serve node ports; empty is all but
	// loopback and link-local ones.
	NodePorts []netip.Prefix
	// DNS are the addresses of the cluster's DNS; empty serves no names.
	DNS []netip.Addr
	// Domain of the cluster, and the node's own ResolvConf; empty is what package
	// dns takes.
	Domain, ResolvConf string
	// Stubs are domains that are asked of servers of their own.
	Stubs map[string][]netip.AddrPort
	// Networks are the cluster's own: nobody else is asked for their names.
	Networks []netip.Prefix
}

// Config of Services. Catalog and Node are required.
type Config struct {
	Options

	Catalog *catalog.Catalog
	// Node answers what this node is now, but for its addresses and NodePorts. It is
	// asked now and then, and when Moved says so.
	Node  func() proxy.Node
	Moved <-chan struct{}
	// Address is the node's own, and InTouch tells whether the control plane was
	// heard of lately; unset is unknown, and always.
	Address netip.Addr
	InTouch func() bool
	// Told hears how Services are served here, whenever that changes; nil is nobody.
	Told   func(Status)
	Logger *slog.Logger
}

// Status is how a node serves Services, in words of a condition.
type Status struct {
	Served          bool
	Reason, Message string
}

// Troubled tells whether a person is to look at it: Services are not served, or not
// in the best way. That another node of the machine serves them is no trouble.
func (s Status) Troubled() bool {
	return !s.Served && s.Reason != anotherServes || strings.HasSuffix(s.Reason, "Unavailable")
}

const anotherServes = "AnotherNodeServes"

// unless is what is said when the plane does not do what it is told.
func (s Status) unless(err error) Status {
	if err == nil {
		return s
	}
	return failed(err)
}

func failed(err error) Status { return Status{Reason: "ProxyFailed", Message: err.Error()} }

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	lastClaim  = 2 * time.Second // nobody serves from the end of another node on
	dnsPort    = 53
)

// Services of a node.
type Services struct {
	cfg  Config
	told Status
}

// New checks the configuration.
func New(cfg Config) (*Services, error) {
	if cfg.Catalog == nil || cfg.Node == nil {
		return nil, errors.New("services.New: Catalog and Node are required")
	}
	if _, err := ParseMode(string(cfg.Mode)); err != nil {
		return nil, err
	}
	if _, err := ParseScheduler(cfg.Scheduler); err != nil {
		return nil, err
	}
	if cfg.Told == nil {
		cfg.Told = func(Status) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Services{cfg: cfg}
	if len(cfg.DNS) > 0 {
		if err := dns.Check(s.names()); err != nil {
			return nil, fmt.Errorf("serve the cluster's names: %w", err)
		}
	}
	return s, nil
}

// names is the configuration of the DNS.
func (s *Services) names() dns.Config {
	cfg := dns.Config{
		Catalog: s.cfg.Catalog, Domain: s.cfg.Domain, ResolvConf: s.cfg.ResolvConf, Stubs: s.cfg.Stubs, Networks: s.cfg.Networks, Logger: s.cfg.Logger,
	}
	for _, address := range s.cfg.DNS {
		cfg.Addresses = append(cfg.Addresses, netip.AddrPortFrom(address, dnsPort))
	}
	return cfg
}

// Run serves until ctx ends. What fails is tried again: the pods of a node do
// not end with it. What the kernel does goes on afterwards.
func (s *Services) Run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > lastRetry {
			failures = 0
		}
		most := lastRetry
		if errors.Is(err, errClaimed) {
			most = lastClaim
		} else {
			s.tell(failed(err))
		}
		if err := wait.For(ctx, wait.Doubled(firstRetry, most, failures)); err != nil {
			return err
		}
	}
}

// serve ends with its first part that does.
func (s *Services) serve(ctx context.Context) error {
	release, err := claim()
	if errors.Is(err, errClaimed) {
		s.tell(Status{Reason: anotherServes, Message: err.Error()})
	}
	if err != nil {
		return err
	}
	defer release()
	plane, chosen, err := choose(ctx, s.cfg.Options, s.cfg.Logger)
	if err != nil {
		return err
	}
	follower, err := proxy.New(proxy.Config{
		Catalog: s.cfg.Catalog, Plane: plane, Node: s.node, Moved: s.cfg.Moved, Logger: s.cfg.Logger,
		Told: func(err error) { s.tell(chosen.unless(err)) },
	})
	if err != nil {
		return err
	}
	announcer, err := announce.New(announce.Config{
		Catalog: s.cfg.Catalog, Node: s.cfg.Node().Name, Address: s.cfg.Address, InTouch: s.cfg.InTouch, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return follower.Run(ctx) })
	group.Go(func() error { return announcer.Run(ctx) })
	if len(s.cfg.DNS) > 0 {
		group.Go(func() error { return s.serveNames(ctx) })
	}
	return group.Wait()
}

func (s *Services) serveNames(ctx context.Context) error {
	if err := network.Answer(s.cfg.DNS...); err != nil {
		s.cfg.Logger.Warn("pods do not reach the cluster's DNS", "error", err)
	}
	server, err := dns.New(s.names())
	if err != nil {
		return fmt.Errorf("serve the cluster's names: %w", err)
	}
	return server.Run(ctx)
}

// node adds what the kernel says to what the agent knows.
func (s *Services) node() proxy.Node {
	n := s.cfg.Node()
	n.NodePorts = s.cfg.NodePorts
	var err error
	if n.Addresses, err = network.Addresses(ipvs.DefaultLink); err != nil {
		s.cfg.Logger.Warn("node ports are not served at all addresses", "error", err)
	}
	if n.Others, err = network.Gateways(); err != nil {
		s.cfg.Logger.Warn("a Service could be given the address of a gateway", "error", err)
	}
	nodes, _ := s.cfg.Catalog.Nodes()
	n.Others = slices.DeleteFunc(append(n.Others, addressesOf(nodes, n.Name)...), func(a netip.Addr) bool { return slices.Contains(n.Addresses, a) })
	return n
}

// addressesOf are those of the nodes but one.
func addressesOf(nodes []*corev1.Node, self string) (out []netip.Addr) {
	for _, node := range nodes {
		if node.Name == self {
			continue
		}
		for _, at := range node.Status.Addresses {
			if a, err := netip.ParseAddr(at.Address); err == nil {
				out = append(out, a.Unmap())
			}
		}
	}
	return out
}

func (s *Services) tell(status Status) {
	if status == s.told {
		return
	}
	s.told = status
	s.cfg.Logger.Info("services of the cluster", "served", status.Served, "reason", status.Reason, "message", status.Message)
	s.cfg.Told(status)
}
