package agents

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/catalog"
	"segno/agents/ingress"
	"segno/agents/pod"
	"segno/agents/resolv"
	"segno/agents/runtime"
	"segno/agents/services"
	"segno/proto"
)

// Network is what the agent asks of a network beside what pods do.
type Network interface {
	pod.Network
	// Setup readies the node for pods of the CIDRs, one of a family; held are the
	// first addresses of pods that run already, by UID. It is safe to repeat, and
	// fails while pods hold addresses of other CIDRs; then none gets a new one.
	Setup(ctx context.Context, cidrs []netip.Prefix, held map[string]netip.Addr) error
	// Dial connects to a TCP port inside a sandbox.
	Dial(ctx context.Context, sandbox runtime.Sandbox, port int32) (net.Conn, error)
}

// Config of an Agent. Node, Link, Runtime and Network are required.
type Config struct {
	Node    proto.NodeName
	Link    Link
	Runtime runtime.Runtime
	Network Network
	// Listener is where the control plane asks for logs, exec and the like;
	// nil serves none.
	Listener net.Listener
	// Shared tells what all nodes know, for the Catalog; nil tells nothing.
	Shared Feed
	// Catalog of what all nodes know: the agent fills it; nil is one of its own.
	Catalog *catalog.Catalog
	// Services says how this node serves what is in the Catalog; nil does not.
	Services *services.Options
	// Ingress says how clients from outside are let in while the Node object has the
	// label ingressrule.Label; nil never lets any in.
	Ingress *ingress.Options
	// DNS is what pods are told of names; unset leaves that to the engine.
	DNS resolv.Cluster
	// StateDir keeps what should run and what is not yet told, so that both
	// outlive the agent; empty keeps it in memory.
	StateDir string

	// Version is segno's own, shown as the kubelet's.
	Version string
	// Address is the node's own IP.
	Address netip.Addr
	Labels  map[string]string
	Taints  []corev1.Taint
	// Annotations of the Node object, such as the node's key.
	Annotations map[string]string
	// Machine describes the hardware; nil is this machine, or a made-up one
	// under a simulated runtime.
	Machine Machine
	// Capacity replaces what the machine has, resource by resource.
	Capacity corev1.ResourceList

	// HeartbeatPeriod is the time between two beats; 0 means 10 s.
	HeartbeatPeriod time.Duration
	// StatusPeriod is the time after which the node's status is told though
	// it did not change; 0 means 5 minutes.
	StatusPeriod time.Duration
	// Concurrency bounds the pods that are worked on at once, but for those
	// whose image is on its way; 0 means 16.
	Concurrency int
	// Observe sees each effect on a pod; for tests.
	Observe func(uid string, action pod.Action, err error)
	Logger  *slog.Logger
}

func (c *Config) complete() error {
	if c.Node == "" || c.Link == nil || c.Runtime == nil || c.Network == nil {
		return errors.New("agents.New: Node, Link, Runtime and Network are required")
	}
	if c.Services != nil && c.Shared == nil {
		return errors.New("agents.New: Services are served as Shared tells of them")
	}
	if c.Ingress != nil && (c.Shared == nil || len(c.Ingress.Addresses) == 0 && !c.Address.IsValid()) {
		return errors.New("agents.New: Ingresses are served as Shared tells of them, at an Address")
	}
	if c.HeartbeatPeriod <= 0 {
		c.HeartbeatPeriod = 10 * time.Second
	}
	if c.StatusPeriod <= 0 {
		c.StatusPeriod = 5 * time.Minute
	}
	if c.Catalog == nil {
		c.Catalog = &catalog.Catalog{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("node", string(c.Node))
	return nil
}

// below answers a folder of the agent's own, empty when it keeps nothing.
func (c *Config) below(name string) string {
	if c.StateDir == "" {
		return ""
	}
	return filepath.Join(c.StateDir, name)
}
