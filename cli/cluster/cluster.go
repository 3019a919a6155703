package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/cli/api"
	"segno/cli/api/logs"
	"segno/cli/archives"
	"segno/cli/pki"
	"segno/cli/sandbox"
	"segno/cli/version"
	"segno/events"
	"segno/events/kinds"
	"segno/proto"
	"segno/reconcilers/apiservice"
	"segno/reconcilers/dns"
	"segno/reconcilers/ingress"
	"segno/reconcilers/namespace"
	"segno/reconcilers/standing"
)

// Cluster is one control plane with the nodes that live in its process.
type Cluster struct {
	cfg       Config
	log       *slog.Logger
	table     *events.Table
	unlock    func() // lets go of DataDir, which is held as long as the cluster lives
	authority *pki.Authority
	admin     bus.Credential
	server    *bus.Server
	control   *bus.Conn // set once the server is ready
	ledgers   ledgers
	signatory *signatory
	audit     *bus.Audit
	logs      *logs.Logs
	archives  *archives.Archives
	forks     *sandbox.Forks
	api       *api.API
	https     net.Listener
	busPort   net.Listener // keeps the port of the bus until the server takes it
	nodes     []*node
	why       string // the runtime is not Docker, or Docker does not answer
	kept      string // flags of an earlier start that count
	links     string // and those of this machine's network
	entry     Entry  // of this machine's node
	ready     readiness
	intake    *bus.Intake // set before the nodes run
}

// New opens everything that can be opened without running: folds, ports,
// certificates. Nothing is served before Run; without it, Close.
func New(cfg Config) (*Cluster, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, log: cfg.Log, table: kinds.Table(), ledgers: ledgers{}}
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) open() error {
	if err := c.openDoors(); err != nil {
		return err
	}
	if err := c.recallKeeping(); err != nil {
		return err
	}
	if err := c.openLedgers(); err != nil {
		return err
	}
	if err := c.openAudit(); err != nil {
		return err
	}
	if err := c.openSignatory(); err != nil {
		return err
	}
	var err error
	if c.forks, err = c.newForks(); err != nil {
		return err
	}
	c.api, err = api.New(api.Config{
		Table: c.table, Store: c.logs, History: c.logs, Audit: c.audit, Exporter: c.logs, Backuper: c, Archives: c, Finder: c.logs,
		Supposer: sandbox.NewOracle(c.table, c.ledgers.folds(), c.log), Forks: c.forks, Nodes: c, Epochs: c, Checkpoints: c,
		Version: version.API(), Source: c.origin(), Ready: c.ready.check, Log: c.log,
	})
	return err
}

// Close frees what New opened, for a cluster that never ran; Run does so at its
// end.
func (c *Cluster) Close() {
	if c.https != nil {
		_ = c.https.Close() // Serve has closed it already when it ran
	}
	c.freeBusPort()
	c.ledgers.close()
	if c.unlock != nil {
		c.unlock()
	}
}

// Run serves until ctx ends. It returns nil then, or the first error that
// makes going on impossible.
func (c *Cluster) Run(ctx context.Context) error {
	defer c.Close()
	base := floors{server: newFloor(ctx), doors: newFloor(ctx)}
	c.freeBusPort()
	base.server.run(c.server.Run)
	top, running := errgroup.WithContext(ctx)
	top.Go(func() error { return base.watch(running) })
	top.Go(func() error { return c.serve(running, base, top) })
	err := top.Wait()
	if fall := base.end(); fall != nil {
		return fall // the cause of the other
	}
	if ctx.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return c.keepCheckpoint()
}

// serve brings everything up in order and then leaves it running in top.
func (c *Cluster) serve(ctx context.Context, base floors, top *errgroup.Group) error {
	if err := c.server.Ready(ctx); err != nil {
		return err
	}
	var err error
	if c.control, err = c.server.Connect("control"); err != nil {
		return err
	}
	context.AfterFunc(base.server.ctx, c.control.Close)
	for _, l := range c.ledgers {
		base.doors.run(l.door.Run)
	}
	base.doors.run(c.audit.Run)
	for _, l := range c.ledgers {
		if err := l.door.Ready(ctx); err != nil {
			return err
		}
	}
	if err := c.audit.Ready(ctx); err != nil {
		return err
	}
	if err := c.chooseNodes(ctx); err != nil {
		return err
	}
	if err := c.bootstrap(ctx); err != nil {
		return err
	}
	if err := c.loadIdentities(); err != nil {
		return err
	}
	c.server.Acquainted()
	if err := c.choosePodNetwork(ctx); err != nil {
		return err
	}
	if err := c.keepLoadBalancerPool(ctx); err != nil {
		return err
	}
	if err := c.chooseEntry(ctx); err != nil {
		return err
	}
	if err := c.runControl(ctx, top); err != nil {
		return err
	}
	if err := c.runDoors(ctx, top); err != nil {
		return err
	}
	if err := c.runNodes(ctx, top); err != nil {
		return err
	}
	c.ready.set()
	if err := c.awaitNodes(ctx); err != nil {
		return err
	}
	c.cfg.Ready(c.Info())
	return nil
}

// bootstrap makes what every cluster has, in one transaction.
func (c *Cluster) bootstrap(ctx context.Context) error {
	ranges, err := c.chooseServiceRanges()
	if err != nil {
		return err
	}
	view := c.View()
	missing, err := namespace.Bootstrap(view)
	if err != nil {
		return err
	}
	if missing, err = noteServiceRanges(view, missing, ranges); err != nil {
		return err
	}
	rivals, err := standing.InTheWay(view, ranges)
	if err != nil {
		return err
	}
	for _, rival := range rivals {
		c.log.Warn(rival)
	}
	services, err := dns.Bootstrap(view, ranges.DNS())
	if err != nil {
		return err
	}
	classes, err := ingress.Bootstrap(view)
	if err != nil {
		return err
	}
	front, err := apiservice.Bootstrap(view, ranges.API(), c.apiAddress())
	missing = slices.Concat(missing, services, classes, front)
	if err != nil || len(missing) == 0 {
		return err
	}
	if _, err := c.Submit(ctx, events.Command{Actor: "system:bootstrap", Via: "bootstrap", Reason: "Bootstrap", Action: missing}); err != nil {
		return fmt.Errorf("make what every cluster has: %w", err)
	}
	return nil
}

// Submit is the one door for writes: the command's target says into which log.
func (c *Cluster) Submit(ctx context.Context, cmd events.Command) (events.Outcome, error) {
	return c.logs.Submit(ctx, cmd)
}

// Handler is the API; a request's user comes with its context (api.WithUser).
func (c *Cluster) Handler() http.Handler { return c.api }

// DialNode implements api.Nodes.
func (c *Cluster) DialNode(ctx context.Context, node proto.NodeName) (net.Conn, error) {
	return bus.Dial(ctx, c.control, proto.NodeDial(node))
}

// Info says where the cluster is found.
func (c *Cluster) Info() Info {
	info := Info{Name: c.cfg.Name, Runtime: c.cfg.Runtime, Why: c.why, Kept: strings.TrimSpace(c.kept + " " + c.links), Kubeconfig: c.kubeconfig()}
	if c.cfg.Keep.For > 0 {
		info.Keep, info.Archive = c.cfg.Keep.For, c.archives.Place()
	}
	if c.https != nil {
		info.Server = "https://" + c.dialled(c.https.Addr()).String()
	}
	if addr := c.server.Addr(); addr != nil {
		info.Bus = "tls://" + c.dialled(addr).String()
	}
	for _, n := range c.nodes {
		info.Nodes = append(info.Nodes, n.name)
	}
	return info
}
