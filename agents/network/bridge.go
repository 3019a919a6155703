package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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

// hardwareOfBridge is a locally administered address, and the same for a bridge that
// is made anew. Without one of its own a bridge has the least of its links', and
// with each pod that came or went, the others could for seconds not reach their
// gateway where they knew it.
func hardwareOfBridge(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(name))
	return append(net.HardwareAddr{0x0a}, sum[:5]...)
}

// cableName is the host's end of a pod's link: a restarted agent finds it.
func cableName(uid string) string { return cablePrefix + digest(uid, 12) }

func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
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

// address readies the bridge for packets of these networks.
func (b *Bridge) address(bridge netlink.Link, cidrs []netip.Prefix) error {
	for _, cidr := range cidrs {
		if err := checkOverlap(bridge, cidr); err != nil {
			return err
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		gateway := netip.Prefix{}
		for _, cidr := range cidrs {
			if familyOf(cidr.Addr()) == family {
				gateway = netip.PrefixFrom(gatewayOf(cidr), cidr.Bits())
			}
		}
		if err := setAddress(bridge, family, gateway); err != nil {
			return fmt.Errorf("give bridge %s the address %s: %w", b.cfg.Name, gateway, err)
		}
	}
	if slices.ContainsFunc(cidrs, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
		// Until it is sure of its link-local address, seconds after its first pod
		// came, it would look for no neighbour.
		if err := write("/proc/sys/net/ipv6/conf/"+b.cfg.Name+"/accept_dad", "0"); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bring up bridge %s: %w", b.cfg.Name, err)
	}
	for _, cidr := range cidrs {
		if err := forward(cidr.Addr().Is6()); err != nil {
			b.cfg.Logger.Warn("pods reach only their own node", "error", err)
		}
		if err := showBridged(cidr.Addr().Is6()); err != nil {
			b.cfg.Logger.Warn("pods that come by a Service are seen by those beside them with the node's address", "error", err)
		}
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

func (b *Bridge) ensureBridge() (netlink.Link, error) {
	link, err := netlink.LinkByName(b.cfg.Name)
	if err == nil {
		if link.Type() != "bridge" {
			return nil, fmt.Errorf("bridge %s: there is a %s of that name", b.cfg.Name, link.Type())
		}
		if owner := ownerOf(link); owner != b.cfg.Cluster {
			return nil, fmt.Errorf("bridge %s: it is cluster %q's", b.cfg.Name, owner)
		}
		if link.Attrs().MTU != b.mtu { // pods that run keep theirs; the kernel tells them of the difference
			if err := netlink.LinkSetMTU(link, b.mtu); err != nil {
				return nil, fmt.Errorf("set the MTU of bridge %s to %d: %w", b.cfg.Name, b.mtu, err)
			}
		}
		// As it is, but for good: one that nobody has set follows the pods' links.
		if err := netlink.LinkSetHardwareAddr(link, link.Attrs().HardwareAddr); err != nil {
			return nil, fmt.Errorf("keep the hardware address of bridge %s: %w", b.cfg.Name, err)
		}
		return link, nil
	}
	if !errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, fmt.Errorf("look for bridge %s: %w", b.cfg.Name, err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = b.cfg.Name, b.mtu, hardwareOfBridge(b.cfg.Name)
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

// setAddress makes the address the only one of its family on the link; none is
// an invalid one.
func setAddress(link netlink.Link, family int, address netip.Prefix) error {
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
	if found || !address.IsValid() {
		return nil
	}
	return netlink.AddrAdd(link, addressOf(address))
}

// addressOf is good at once: nobody else gives out addresses of the range.
func addressOf(address netip.Prefix) *netlink.Addr {
	out := &netlink.Addr{IPNet: ipNet(address)}
	if address.Addr().Is6() {
		out.Flags = unix.IFA_F_NODAD
	}
	return out
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
		if err := remove(link); err != nil {
			return fmt.Errorf("an orphan: %w", err)
		}
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
