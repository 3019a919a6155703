package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"segno/agents/services"
	"segno/events/kinds"
	"segno/proto"
)

// Runtime is what a node runs its containers with.
type Runtime string

// The runtimes. Auto takes what was asked for before, else Docker when an engine answers, or when the cluster has
// had containers at one, and simulates otherwise.
const (
	RuntimeAuto      Runtime = "auto"
	RuntimeDocker    Runtime = "docker"
	RuntimeSimulated Runtime = "simulated"
)

// Config says what to run. The zero value of an optional field is the default.
type Config struct {
	// Name of the cluster, and of its context; default "segno".
	Name string
	// DataDir holds everything that lasts; empty keeps all in memory and opens
	// no port: for tests.
	DataDir string
	// Listen is host:port of the HTTPS API, BusListen of the bus for other
	// machines. Port 0, or none given, picks a free one.
	Listen, BusListen string
	// Runtime of the nodes; without a DataDir they are always simulated.
	Runtime Runtime
	// Nodes is the number of simulated nodes; 0 is as many as before, or one.
	Nodes int
	// Simulate alters the simulated engines; nil leaves them perfect.
	Simulate Simulate
	// NodeName of the Docker node; default the one of before, or the host's.
	NodeName proto.NodeName
	// DockerHost is the engine's address; default the one of before, DOCKER_HOST or
	// Docker's own.
	DockerHost string
	// PodNetwork is where the nodes' networks come from, such as 10.244.0.0/16;
	// it counts at the first start only. Default is that one, or the next that
	// this machine has free.
	PodNetwork string
	// ServiceNetwork is where the addresses of Services come from, such as
	// 10.96.0.0/16, or one network of each family with a comma between; it counts at
	// the first start only.
	ServiceNetwork string
	// NodePorts is the range of node ports; default the one of before, at first
	// 30000-32767.
	NodePorts string
	// LoadBalancerPool is where Services of type LoadBalancer get their addresses
	// from, such as 192.168.1.240-192.168.1.250,fd00::/120; default is as before, at
	// first none.
	LoadBalancerPool string
	// Pods says how this machine's pods and those of other nodes reach each other.
	Pods PodLinks
	// Services says how nodes with real containers serve Services and names.
	Services services.Options
	// Ingress says whether and where the node with real containers lets clients in.
	Ingress Entry
	// Keep says what becomes of old epochs of the log.
	Keep Keeping
	// NodeGrace is how long a node may be silent; default 40 s.
	NodeGrace time.Duration
	// AuditKeep is how long it is kept what was asked, and AuditBytes how much of
	// it; 0 is as before, at first 90 days and 4 GiB.
	AuditKeep  time.Duration
	AuditBytes int64
	// EpochBytes and EpochAge are how large and how old an epoch of the log becomes
	// before the next begins; defaults 8 GiB and never.
	EpochBytes int64
	EpochAge   time.Duration
	Log        *slog.Logger
	// Progress is told how far a long start is: refolding or repairing a log.
	Progress func(log string, done, total proto.Seq)
	// Ready is called once, when the API answers and the nodes of this process
	// are ready.
	Ready func(Info)
}

// Info says where a running cluster is found.
type Info struct {
	Name       string
	Server     string // https://host:port; "" without a port
	Bus        string // tls://host:port; "" without a port
	Kubeconfig string // file
	Runtime    Runtime
	// Why the runtime is not what a person might expect, or does not work yet; ""
	// when it is and does.
	Why string
	// Kept are the flags of an earlier start that count, since they were not given
	// again; "" is none.
	Kept string
	// Keep is how long epochs of the log are kept before they are archived into the
	// folder Archive; 0 is for ever.
	Keep    time.Duration
	Archive string
	Nodes   []proto.NodeName
}

func (c Config) complete() (Config, error) {
	if c.Name == "" {
		c.Name = "segno"
	}
	if c.Runtime == "" {
		c.Runtime = RuntimeAuto
	}
	if c.Runtime == RuntimeAuto && c.DataDir == "" {
		c.Runtime = RuntimeSimulated // containers last, and need somebody who remembers them
	}
	c.Services = withServers(c.Services)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(string, proto.Seq, proto.Seq) {}
	}
	if c.Ready == nil {
		c.Ready = func(Info) {}
	}
	switch c.Runtime {
	case RuntimeAuto, RuntimeDocker, RuntimeSimulated:
	default:
		return c, fmt.Errorf("runtime %q: must be auto, docker or simulated", c.Runtime)
	}
	if c.Runtime == RuntimeDocker && c.DataDir == "" {
		return c, errors.New("the runtime docker needs a data directory: containers outlive this process")
	}
	if err := c.Pods.check(); err != nil {
		return c, err
	}
	if c.LoadBalancerPool != "" {
		if _, err := kinds.ParseAddressPool(c.LoadBalancerPool); err != nil {
			return c, fmt.Errorf("--load-balancer-pool: %w", err)
		}
	}
	if c.Nodes < 0 {
		return c, fmt.Errorf("%d nodes: must not be negative", c.Nodes)
	}
	if c.Nodes > 0 && c.Runtime == RuntimeDocker {
		return c, fmt.Errorf("%d nodes on the runtime docker: only simulated nodes come in numbers; leave --nodes out, or take --runtime simulated", c.Nodes)
	}
	if c.AuditKeep != 0 && c.AuditKeep < time.Second || c.AuditBytes != 0 && c.AuditBytes < leastAudit {
		return c, fmt.Errorf("an audit of %s in %d bytes: at least a second, and %d bytes, are needed; leave both out for what was before", c.AuditKeep, c.AuditBytes, leastAudit)
	}
	if c.NodeGrace != 0 && c.NodeGrace <= beat {
		return c, fmt.Errorf("a grace of %s for silent nodes: must be longer than the %s between two of their heartbeats", c.NodeGrace, beat)
	}
	if c.EpochBytes < 0 || c.EpochAge < 0 {
		return c, errors.New("the size and the age of the log's epochs must not be negative")
	}
	return c, errors.Join(c.checkNames(), c.checkRanges())
}

// leastAudit is a few of the largest messages of the audit.
const leastAudit = 16 << 20

// beat is the time between two heartbeats of a node.
const beat = 10 * time.Second
