package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/agents"
	"segno/agents/catalog"
	"segno/agents/ingress"
	"segno/agents/network"
	"segno/agents/resolv"
	"segno/agents/runtime"
	"segno/agents/runtime/docker"
	"segno/agents/runtime/simulated"
	"segno/agents/services"
	"segno/bus"
	"segno/cli/version"
	"segno/proto"
)

// Simulate says how simulated engines behave.
type Simulate = simulated.Config

// node is a node in this process.
type node struct {
	name    proto.NodeName
	runtime runtime.Runtime
	network agents.Network
	dir     string          // "" keeps nothing
	catalog catalog.Catalog // of what all nodes know
}

// probe is how long an engine may take to say that it is there.
const probe = 2 * time.Second

// chooseNodes decides what runs here, and says why when it is not Docker.
func (c *Cluster) chooseNodes(ctx context.Context) error {
	if err := c.recall(); err != nil {
		return err
	}
	if c.cfg.Runtime == RuntimeSimulated || c.cfg.Nodes > 0 {
		if err := c.keepSimulated(ctx); err != nil {
			return err
		}
	} else {
		engine, trouble, err := c.dockerNode(ctx)
		if err != nil {
			return err
		}
		// Pretended containers must not stand for real ones, which may still run.
		if trouble == nil || c.cfg.Runtime == RuntimeAuto && hasContainers(c.cfg.DataDir) {
			c.cfg.Runtime = RuntimeDocker
			c.nodes = []*node{engine}
			c.why = textOf(trouble)
			return forgetSimulated(nodeDir(c.cfg.DataDir))
		}
		if c.cfg.Runtime == RuntimeDocker {
			return trouble
		}
		c.why = trouble.Error()
	}
	c.cfg.Runtime = RuntimeSimulated
	known := &catalog.Decoded{}
	for i := range max(1, c.cfg.Nodes) {
		c.nodes = append(c.nodes, &node{
			name:    proto.NodeName(fmt.Sprintf("sim-%d", i+1)),
			runtime: simulated.New(c.cfg.Simulate), network: network.NewSimulated(),
			catalog: catalog.Catalog{Decoded: known},
		})
	}
	return nil
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// runsHere tells whether a node is one of this process.
func (c *Cluster) runsHere(name string) bool {
	return slices.ContainsFunc(c.nodes, func(n *node) bool { return string(n.name) == name })
}

// dockerNode is this machine's node, and what keeps its engine from working now.
func (c *Cluster) dockerNode(ctx context.Context) (n *node, trouble, err error) {
	cfg, err := c.dockerConfig()
	if err != nil {
		return nil, nil, err
	}
	if before, used := keptEngine(cfg.dir); used && cfg.host == "" && before != docker.DefaultHost() {
		c.kept = "--docker-host " + before
	}
	return newDockerNode(ctx, cfg)
}

func (c *Cluster) dockerConfig() (dockerNode, error) {
	dir := nodeDir(c.cfg.DataDir)
	name, err := nameNode(c.cfg.NodeName, dir)
	return dockerNode{name: name, host: c.cfg.DockerHost, scope: c.scope(), dir: dir, instead: "--docker-host", pods: c.cfg.Pods, log: c.log}, err
}

// scope tells this cluster's containers from those of others on one engine.
func (c *Cluster) scope() string {
	return scopeOf(c.authority.Certificate())
}

type dockerNode struct {
	name  proto.NodeName
	host  string
	scope string
	dir   string
	// instead is what may not be asked for while there are containers at the engine
	// of before; "" only warns of them.
	instead string
	pods    PodLinks
	log     *slog.Logger
}

// newDockerNode uses the engine that was asked for, else the one that the node has
// its containers at, else Docker's own default.
func newDockerNode(ctx context.Context, cfg dockerNode) (n *node, trouble, err error) {
	before, used := keptEngine(cfg.dir)
	if cfg.host == "" {
		cfg.host = before
		if env := os.Getenv("DOCKER_HOST"); used && env != "" && env != before {
			cfg.log.Warn("DOCKER_HOST does not count: this node's containers are at another engine; --docker-host moves it", "engine", before)
		}
	}
	engine, err := docker.New(docker.Config{Host: cfg.host, Node: string(cfg.name), Scope: cfg.scope})
	if err != nil {
		return nil, nil, fmt.Errorf("use the Docker engine: %w", err)
	}
	if used && engine.Host() != before {
		if err := cfg.leave(ctx, before); err != nil {
			return nil, nil, err
		}
	}
	if trouble = askEngine(ctx, engine); trouble == nil {
		if err := keepEngine(cfg.dir, engine.Host()); err != nil {
			return nil, nil, err
		}
	}
	n = &node{name: cfg.name, runtime: engine, dir: cfg.dir}
	if err := network.CanBridge(); err != nil {
		n.network = network.HostOnly{Reason: err.Error()}
		return n, trouble, nil
	}
	n.network, err = network.NewBridge(network.Config{
		Name: network.NameFor(cfg.scope, string(cfg.name)), Cluster: cfg.scope,
		Address: cfg.pods.NodeAddress(), Backend: cfg.pods.Backend, Port: cfg.pods.Port, Logger: cfg.log,
	})
	return n, trouble, err
}

// askEngine makes sure that an engine answers.
func askEngine(ctx context.Context, engine *docker.Engine) error {
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	if _, err := engine.Info(ctx); err != nil {
		return fmt.Errorf("ask the Docker engine: %w", err)
	}
	return nil
}

// runNodes starts the nodes of this process; each speaks over the bus with a
// credential of its own, as one on another machine does.
func (c *Cluster) runNodes(ctx context.Context, group *errgroup.Group) error {
	for _, n := range c.nodes {
		agent, err := c.connectNode(ctx, n)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.name, err)
		}
		group.Go(func() error { return agent.Run(ctx) })
	}
	return nil
}

func (c *Cluster) connectNode(ctx context.Context, n *node) (*agents.Agent, error) {
	credential, err := c.nodeCredential(n)
	if err != nil {
		return nil, err
	}
	if old := c.server.Identities().Public(bus.RoleNode, string(n.name)); old != credential.Public {
		c.server.Identities().Remove(old) // a node of this name in an earlier process
		identity := bus.Identity{Role: bus.RoleNode, Name: string(n.name), Public: credential.Public}
		if err := c.server.Identities().Add(identity); err != nil {
			return nil, err
		}
	}
	conn, err := bus.Connect(ctx, bus.ConnectConfig{
		Server: c.server, Name: string(n.name), Actor: credential.Actor, Seed: credential.Seed, Log: c.log,
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, conn.Close)
	return n.agent(conn, c.cfg.Pods.NodeAddress(), c.cfg.Services, c.entry.options(), c.log)
}

// nodeCredential is kept with the node's other state; a simulated node has none.
func (c *Cluster) nodeCredential(n *node) (bus.Credential, error) {
	actor := proto.NodeActor(n.name)
	if n.dir == "" {
		return bus.NewCredential(actor)
	}
	return keptCredential(filepath.Join(n.dir, credentialFile), actor)
}

func (n *node) agent(conn *bus.Conn, address netip.Addr, options services.Options, entry *ingress.Options, log *slog.Logger) (*agents.Agent, error) {
	listener, err := bus.Listen(conn, proto.NodeDial(n.name))
	if err != nil {
		return nil, err
	}
	cfg := agents.Config{
		Node: n.name, Link: bus.NewLink(conn, n.name), Shared: bus.NewShared(conn, n.name), Catalog: &n.catalog, Runtime: n.runtime, Network: n.network,
		Listener: listener, StateDir: n.dir, Version: version.API().GitVersion, Address: address, Logger: log,
	}
	if _, simulated := n.network.(*network.Simulated); !simulated {
		cfg.Services, cfg.Ingress = &options, entry
	}
	if _, bridged := n.network.(*network.Bridge); bridged {
		cfg.DNS = resolv.Cluster{Servers: options.DNS, Domain: options.Domain, Node: resolv.File(options.ResolvConf)}
	}
	return agents.New(cfg)
}
