package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

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
	// MTU of the pods' links; 0 is 1500.
	MTU    int
	Logger *slog.Logger
}

const (
	defaultName = "sg0"
	defaultMTU  = 1500
	longestName = 15
	cablePrefix = "sgv"

	bridgePrefix = "sg-"
	bridgeDigits = 10
)

// NameFor is a bridge name of a node's own: nodes of two clusters may have one name.
func NameFor(cluster, node string) string {
	return bridgePrefix + digest(cluster+"/"+node, bridgeDigits)
}

// cableName is the host's end of a pod's link: a restarted agent finds it.
func cableName(uid string) string { return cablePrefix + digest(uid, 12) }

func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
}

// Bridge cables the pods of a node to a bridge whose address, the first of
// the CIDR, is their gateway.
type Bridge struct {
	cfg Config

	mu   sync.Mutex // held while links are made: a name is looked up, then taken
	pool *pool
}

// NewBridge answers a network that waits for its CIDR.
func NewBridge(cfg Config) (*Bridge, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if len(cfg.Name) > longestName {
		return nil, fmt.Errorf("bridge name %q: longer than %d characters", cfg.Name, longestName)
	}
	if cfg.MTU <= 0 {
		cfg.MTU = defaultMTU
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bridge{cfg: cfg}, nil
}

// Setup makes the bridge, or takes over the one that is there, and removes
// the links of pods that are no more. It fails while pods hold addresses of
// another CIDR.
func (b *Bridge) Setup(_ context.Context, cidr netip.Prefix, held map[string]netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	pool, err := renew(b.pool, cidr, held)
	if err != nil {
		return err
	}
	bridge, err := b.ensureBridge()
	if err != nil {
		return err
	}
	gateway := netip.PrefixFrom(pool.gateway, pool.cidr.Bits())
	if err := checkOverlap(bridge, pool.cidr); err != nil {
		return err
	}
	if err := setAddress(bridge, gateway); err != nil {
		return fmt.Errorf("give bridge %s the address %s: %w", b.cfg.Name, gateway, err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bring up bridge %s: %w", b.cfg.Name, err)
	}
	if err := forward(); err != nil {
		b.cfg.Logger.Warn("pods reach only their own node", "error", err)
	}
	if pool == b.pool {
		return nil // what is held was known, and pods may have come since it was read
	}
	if err := b.removeOrphans(bridge, held); err != nil {
		return err
	}
	b.pool = pool
	return nil
}

func (b *Bridge) ensureBridge() (netlink.Link, error) {
	link, err := netlink.LinkByName(b.cfg.Name)
	if err == nil {
		if link.Type() != "bridge" {
			return nil, fmt.Errorf("bridge %s: there is a %s of that name", b.cfg.Name, link.Type())
		}
		if owner := ownerOf(link); owner != b.cfg.Cluster {
			return nil, fmt.Errorf("bridge %s: it is cluster %q's", b.cfg.Name, owner)
		}
		return link, nil
	}
	if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = b.cfg.Name, b.cfg.MTU
	made := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(made); err != nil {
		return nil, fmt.Errorf("make bridge %s: %w", b.cfg.Name, err)
	}
	if b.cfg.Cluster != "" {
		if err := netlink.LinkSetAlias(made, aliasPrefix+b.cfg.Cluster); err != nil {
			return nil, errors.Join(fmt.Errorf("say whose bridge %s is: %w", b.cfg.Name, err), netlink.LinkDel(made))
		}
	}
	return netlink.LinkByName(b.cfg.Name)
}

// checkOverlap finds what would make the kernel send pods' packets elsewhere:
// another cluster on the machine, or a network that was there before. Routes
// come and go; only those of the interfaces' own addresses count here.
func checkOverlap(bridge netlink.Link, cidr netip.Prefix) error {
	holders, err := Holders("")
	if err != nil {
		return err
	}
	for _, h := range holders {
		if h.Interface != bridge.Attrs().Name && !h.Route && h.In(cidr) {
			return fmt.Errorf("pod CIDR %s: this machine has %s", cidr, h)
		}
	}
	return nil
}

// setAddress makes the address the only one of its family on the link.
func setAddress(link netlink.Link, address netip.Prefix) error {
	family := netlink.FAMILY_V4
	if address.Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	old, err := netlink.AddrList(link, family)
	if err != nil {
		return err
	}
	found := false
	for i := range old {
		is, ok := prefixOf(old[i].IPNet)
		switch {
		case ok && is == address:
			found = true
		case ok && !is.Addr().IsLinkLocalUnicast():
			if err := netlink.AddrDel(link, &old[i]); err != nil {
				return err
			}
		}
	}
	if found {
		return nil
	}
	return netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(address)})
}

// forward lets the kernel pass packets on between pods and other networks.
func forward() error {
	const path = "/proc/sys/net/ipv4/ip_forward"
	if data, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(data)) == "1" {
		return nil
	}
	return os.WriteFile(path, []byte("1"), 0o644)
}

// removeOrphans deletes links on our bridge whose pod holds no address.
func (b *Bridge) removeOrphans(bridge netlink.Link, held map[string]netip.Addr) error {
	wanted := map[string]bool{}
	for uid := range held {
		wanted[cableName(uid)] = true
	}
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, link := range links {
		at := link.Attrs()
		if at.MasterIndex != bridge.Attrs().Index || !strings.HasPrefix(at.Name, cablePrefix) || wanted[at.Name] {
			continue
		}
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("remove orphaned link %s: %w", at.Name, err)
		}
	}
	return nil
}

// Allocate reserves an address for the pod.
func (b *Bridge) Allocate(uid string) (netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pool == nil {
		return netip.Addr{}, ErrNotSetUp
	}
	return b.pool.take(uid)
}

// Attach cables the sandbox, unless it is.
func (b *Bridge) Attach(_ context.Context, uid string, sandbox runtime.Sandbox) error {
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
	c := cable{
		name: cableName(uid), bridge: bridge.Attrs().Index, mtu: b.cfg.MTU,
		address: netip.PrefixFrom(sandbox.Address, b.pool.cidr.Bits()), gateway: b.pool.gateway, pid: sandbox.PID,
	}
	if err := c.plug(); err != nil {
		return fmt.Errorf("cable pod %s with address %s to bridge %s: %w", uid, sandbox.Address, b.cfg.Name, err)
	}
	return nil
}

// Release removes the link and gives the address back.
func (b *Bridge) Release(_ context.Context, uid string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := unplug(cableName(uid)); err != nil {
		return fmt.Errorf("remove the link of pod %s: %w", uid, err)
	}
	if b.pool != nil {
		b.pool.free(uid)
	}
	return nil
}

// Remove deletes the bridge and every link on it, for a node that is no more.
func (b *Bridge) Remove() error {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove bridge %s: %w", b.cfg.Name, err)
	}
	b.pool = nil
	return nil
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), true
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
