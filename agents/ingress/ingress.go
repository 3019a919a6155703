package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"segno/agents/catalog"
	"segno/agents/proxy"
)

// The usual ports.
const (
	DefaultHTTP  uint16 = 80
	DefaultHTTPS uint16 = 443
)

const (
	// again is when ports that could not be opened are tried again.
	again = 5 * time.Second
	// settle is how long changes are gathered: a table is made for many at once.
	settle = 20 * time.Millisecond
	// patience is how long clients of a host without a certificate wait at the start
	// for what the control plane tells of Secrets: they are on no disk.
	patience = 5 * time.Second
)

// Options are a person's. The zero value is what most want.
type Options struct {
	// Addresses that clients come to; empty is the node's own.
	Addresses []netip.Addr
	// HTTP and HTTPS are the ports; 0 is 80 and 443.
	HTTP, HTTPS uint16
}

// Config of Ingress. Catalog, Secrets, Node and Addresses are required.
type Config struct {
	Options

	Catalog *catalog.Catalog
	Secrets *Secrets
	// Node answers what this node is now: endpoints near to it are preferred as
	// their hints say.
	Node func() proxy.Node
	// Told hears how ingress is served here, whenever that changes; nil is nobody.
	Told   func(Status)
	Logger *slog.Logger

	// Listen opens ports, and Dial connects to endpoints; nil is as usual.
	Listen Listen
	Dial   Dial
}

// Status is how a node runs ingress, in words of a condition.
type Status struct {
	Reached         bool
	Reason, Message string
}

// Idle is the status before there is an Ingress: ports are not opened for nothing.
func Idle() Status {
	return Status{Reached: true, Reason: "NoIngress", Message: "there is no Ingress of a class that nodes serve; ports are opened with the first one"}
}

// Ingress of a node.
type Ingress struct {
	cfg     Config
	handler *handler
	doors   *doors
	told    Status

	// What is known, of Run's loop alone; clients see what of it is in the handler
	// and in shown.
	certificates *certificates
	shown        shown
	problems     []string
	saidLate     bool
}

// New checks the configuration.
func New(cfg Config) (*Ingress, error) {
	if cfg.Catalog == nil || cfg.Secrets == nil || cfg.Node == nil || len(cfg.Addresses) == 0 {
		return nil, errors.New("ingress.New: Catalog, Secrets, Node and Addresses are required")
	}
	if cfg.HTTP == 0 {
		cfg.HTTP = DefaultHTTP
	}
	if cfg.HTTPS == 0 {
		cfg.HTTPS = DefaultHTTPS
	}
	if cfg.HTTP == cfg.HTTPS {
		return nil, errors.New("ingress.New: HTTP and HTTPS need a port each")
	}
	if cfg.Told == nil {
		cfg.Told = func(Status) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Listen == nil {
		cfg.Listen = (&net.ListenConfig{}).Listen
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialPatience}).DialContext
	}
	in := &Ingress{cfg: cfg, handler: newHandler(cfg.Dial, cfg.HTTPS, cfg.Logger)}
	fallback, err := selfSigned(time.Now())
	if err != nil {
		return nil, err
	}
	in.shown.fallback, in.shown.told = fallback, make(chan struct{})
	in.doors = &doors{lost: make(chan struct{}, 1), listen: cfg.Listen, handler: in.handler, log: cfg.Logger, patience: headerPatience, whole: clientPatience, tls: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: in.shown.get,
	}}
	for _, address := range cfg.Addresses {
		in.doors.all = append(in.doors.all,
			door{at: netip.AddrPortFrom(address, cfg.HTTP)}, door{at: netip.AddrPortFrom(address, cfg.HTTPS), secure: true})
	}
	return in, nil
}

// Run serves until ctx ends, once.
func (in *Ingress) Run(ctx context.Context) error {
	defer in.doors.leave()
	follower := in.cfg.Catalog.Follow()
	defer follower.Close()
	waited := time.AfterFunc(patience, in.cfg.Secrets.giveUp)
	defer waited.Stop()
	for {
		moved, secrets := in.update()
		failed := in.keepDoors(ctx)
		retry := time.NewTimer(again)
		if len(failed) == 0 {
			retry.Stop()
		}
		err := in.follow(ctx, follower, moved, secrets, retry.C)
		retry.Stop()
		if err != nil {
			return err
		}
	}
}

// follow keeps the pools at what is known of Services, until something else
// changes.
func (in *Ingress) follow(ctx context.Context, follower *catalog.Follower, moved, secrets <-chan struct{}, retry <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-follower.Changed():
			in.look(follower)
			continue
		case <-in.doors.lost:
			retry = time.After(again) // not at once: it may be lost as soon as it is open
			continue
		case <-retry:
			return nil
		case <-moved:
		case <-secrets:
		}
		more := time.NewTimer(settle)
		defer more.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more.C:
			return nil
		}
	}
}

// look takes what is new of Services.
func (in *Ingress) look(follower *catalog.Follower) {
	changed := follower.Take()
	node := in.cfg.Node()
	for backend, p := range in.handler.routes.Load().pools {
		if slices.Contains(changed, backend.Service) {
			p.look(in.cfg.Catalog, backend, node)
		}
	}
}

// update makes routes and certificates of what is known now.
func (in *Ingress) update() (moved, secrets <-chan struct{}) {
	ingresses, classes, moved := in.cfg.Catalog.Ingresses()
	known, how, secrets := in.cfg.Secrets.known()
	node := in.cfg.Node()
	table := NewTable(ingresses, classes)
	in.handler.update(table, func(p *pool, backend Backend) { p.look(in.cfg.Catalog, backend, node) })
	in.certificates = newCertificates(served(ingresses, classes), known, in.certificates)
	in.shown.now.Store(in.certificates)
	if how != nothing {
		in.shown.begin()
	}
	if how == whatIsAll {
		in.complain(slices.Concat(table.problems, in.certificates.problems))
		return moved, secrets
	}
	in.complain(table.problems) // the Secrets that lack may be on their way
	if how == tooLate && !in.saidLate && len(in.certificates.problems) > 0 {
		in.saidLate = true
		in.cfg.Logger.Info("which certificates there are is not known yet: the control plane did not say so since ingress began here; clients of hosts without one are shown a certificate of the node's own until it does")
	}
	return moved, secrets
}

// complain logs what is wrong, once.
func (in *Ingress) complain(problems []string) {
	for _, problem := range problems {
		if !slices.Contains(in.problems, problem) {
			in.cfg.Logger.Warn("an Ingress is not served as it is written; others are", "problem", problem)
		}
	}
	in.problems = problems
}

// keepDoors opens the ports while there is something to serve.
func (in *Ingress) keepDoors(ctx context.Context) map[door]error {
	if in.handler.routes.Load().table.Empty() {
		in.doors.leave()
		in.tell(Idle())
		return nil
	}
	failed := in.doors.enter(ctx)
	in.tell(in.doors.status(failed))
	return failed
}

func (in *Ingress) tell(status Status) {
	if status == in.told {
		return
	}
	in.told = status
	in.cfg.Logger.Info("ingress", "reached", status.Reached, "reason", status.Reason, "message", strings.TrimSpace(status.Message))
	in.cfg.Told(status)
}
