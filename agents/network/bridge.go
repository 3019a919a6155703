package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"

	"segno/agents/proxy/flows"
	"segno/agents/runtime"
)

// Config of a Bridge.
type Config struct {
	// Name of the bridge, at most 15 characters; empty is "sg0". Nodes on one
	// machine need one each: NameFor derives it.
	Name string
	// Cluster whose bridge it is: another's is not taken over, and what a
	// cluster leaves behind is found by it. Empty is nobody's.
	Cluster string
	// MTU of the pods' links; 0 is worked out from the link that has Address.
	MTU int
	// Address of the node, by which others reach its pods.
	Address netip.Addr
	// Backend is how; empty is VXLAN.
	Backend Backend
	// Port is VXLAN's, of UDP; 0 is DefaultPort. All nodes need the same.
	Port   int
	Logger *slog.Logger
}

// Bridge cables the pods of a node to a bridge whose addresses, the first of
// each CIDR, are their gateways, and leads to the pods of other nodes.
type Bridge struct {
	cfg   Config
	flows flows.Kernel

	mu    sync.Mutex // held while links are made: a name is looked up, then taken
	pool  *pool
	mtu   int
	peers []Peer
	told  bool // who the peers are
	rules bool // the tables are there
}

// NewBridge answers a network that waits for its CIDR.
func NewBridge(cfg Config) (*Bridge, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if len(cfg.Name) > longestName {
		return nil, fmt.Errorf("bridge name %q: longer than %d characters", cfg.Name, longestName)
	}
	backend, err := ParseBackend(string(cfg.Backend))
	if err != nil {
		return nil, err
	}
	cfg.Backend, cfg.Address = backend, cfg.Address.Unmap()
	if cfg.Port == 0 {
		cfg.Port = DefaultPort
	}
	if cfg.Port < 1 || cfg.Port > math.MaxUint16 {
		return nil, fmt.Errorf("VXLAN port %d: must be from 1 to 65535", cfg.Port)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bridge{cfg: cfg, flows: flows.Kernel{Logger: cfg.Logger}}, nil
}

// Setup makes the bridge, or takes over the one that is there, and removes
// the links of pods that are no more. It fails while pods hold addresses of
// another CIDR.
func (b *Bridge) Setup(_ context.Context, cidrs []netip.Prefix, held map[string]netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	pool, err := renew(b.pool, cidrs, held)
	if err != nil {
		return err
	}
	if b.mtu, err = b.workOutMTU(); err != nil {
		return err
	}
	bridge, err := b.ensureBridge()
	if err != nil {
		return err
	}
	if err := b.address(bridge, pool.cidrs); err != nil {
		return err
	}
	if pool != b.pool { // else what is held was known, and pods may have come since it was read
		if err := b.adopt(bridge, pool, held); err != nil {
			return err
		}
	}
	if err := b.join(); err != nil {
		b.cfg.Logger.Warn("pods of other nodes may not be reached", "error", err)
	}
	return nil
}

// adopt takes over the links and ports of pods that are held, and removes those
// of others.
func (b *Bridge) adopt(bridge netlink.Link, pool *pool, held map[string]netip.Addr) error {
	if err := b.removeOrphans(bridge, held); err != nil {
		return err
	}
	b.pool = pool
	pods := map[netip.Addr]bool{}
	for _, address := range pool.byUID {
		for _, a := range pool.all(address) {
			pods[a] = true
		}
	}
	err := b.tables().declare(pool.cidrs)
	if err == nil {
		b.rules, err = true, b.tables().keepOnly(pods)
	}
	if err != nil {
		b.cfg.Logger.Warn("pods may have no host ports", "error", err)
	}
	return nil
}

// Allocate reserves addresses for the pod, one in each of the node's CIDRs.
func (b *Bridge) Allocate(uid string) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pool == nil {
		return nil, ErrNotSetUp
	}
	return b.pool.allocate(uid)
}

// Attach cables the sandbox, unless it is, and makes the ports of the node lead
// to it.
func (b *Bridge) Attach(_ context.Context, uid string, sandbox runtime.Sandbox, ports []HostPort) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pool == nil {
		return ErrNotSetUp
	}
	if err := b.pool.keep(uid, sandbox.Address); err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(b.cfg.Name)
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	c := cable{name: cableName(uid), bridge: bridge.Attrs().Index, mtu: b.mtu, pid: sandbox.PID}
	pod := b.pool.all(b.pool.byUID[uid])
	for i, address := range pod {
		cidr := b.pool.cidrs[i]
		c.ends = append(c.ends, end{netip.PrefixFrom(address, cidr.Bits()), gatewayOf(cidr)})
	}
	if err := c.plug(); err != nil {
		return fmt.Errorf("cable pod %s with address %s to bridge %s: %w", uid, sandbox.Address, b.cfg.Name, err)
	}
	return b.publish(pod, ports)
}

func (b *Bridge) publish(pod []netip.Addr, ports []HostPort) error {
	if !b.rules {
		if len(ports) == 0 {
			return nil
		}
		if err := b.tables().declare(b.pool.cidrs); err != nil {
			return err
		}
		b.rules = true
	}
	return b.tables().publish(pod, ports)
}

// Release removes the link and gives the address back.
func (b *Bridge) Release(_ context.Context, uid string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := unplug(cableName(uid)); err != nil {
		return fmt.Errorf("remove the link of pod %s: %w", uid, err)
	}
	if b.pool == nil {
		return nil
	}
	if address, has := b.pool.byUID[uid]; has && b.rules {
		if err := b.tables().withdraw(b.pool.all(address)); err != nil {
			return err
		}
	}
	b.pool.free(uid)
	return nil
}

// Remove deletes the bridge, every link on it and the node's tables, for a node
// that is no more. The tunnel is its cluster's: RemoveOf takes it.
func (b *Bridge) Remove() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.tables().remove(), tables{name: b.PolicyTables()}.remove()); err != nil {
		b.cfg.Logger.Warn("the tables of a former node may be left", "error", err)
	}
	link, err := netlink.LinkByName(b.cfg.Name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	if err := b.removeOrphans(link, nil); err != nil {
		return err
	}
	if err := remove(link); err != nil {
		return err
	}
	b.pool, b.rules = nil, false
	return nil
}
