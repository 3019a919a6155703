package ipvs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/ipvs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"

	"segno/agents/proxy"
	"segno/agents/proxy/flows"
	"segno/agents/proxy/nftables"
)

// DefaultLink is the dummy interface unless a Config has another.
const DefaultLink = "segno-ipvs"

// DefaultScheduler is taken unless a Config has another: backends one after the
// other.
const DefaultScheduler = "rr"

const (
	drainFor   = time.Hour
	drainEvery = 5 * time.Second
)

// Schedulers are those that the plane is tried with. All backends weigh the same.
var Schedulers = []string{"rr", "wrr", "lc", "wlc", "sh", "dh", "mh", "sed", "nq"}

// Guard does what IPVS does not: it drops, refuses and masquerades. It is told
// like a plane.
type Guard interface {
	Sync(ctx context.Context, state proxy.State) (proxy.Failures, error)
	Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error)
	Remove(ctx context.Context) error
}

// Config of a Plane.
type Config struct {
	// Link is the dummy interface that has the addresses of Services,
	// "segno-ipvs" by default. Whatever address it has is the plane's own.
	Link string
	// Scheduler chooses backends, DefaultScheduler by default.
	Scheduler string
	// DrainFor is how long connections to a backend that is gone may last, an
	// hour by default.
	DrainFor time.Duration
	// DrainEvery is how often drained backends are looked for, 5 seconds by
	// default.
	DrainEvery time.Duration
	// Guard is nftables by default, in tables of the name of Link.
	Guard  Guard
	Logger *slog.Logger
}

// Plane keeps the virtual servers.
type Plane struct {
	cfg    Config
	kernel ipvs.Client
	links  *netlink.Handle
	flows  flows.Kernel

	mu        sync.Mutex
	link      netlink.Link
	told      map[types.NamespacedName]proxy.Rules
	servers   map[proxy.Dial]*server // ours, as the kernel has them
	draining  map[proxy.Dial]struct{}
	uses      map[netip.Addr]int // virtual servers by their address on our interface
	elsewhere map[netip.Addr]struct{}
}

// New answers a plane in the network namespace of the caller's thread. It fails
// where the kernel lacks what the plane needs, says what, and leaves nothing
// behind.
func New(cfg Config) (*Plane, error) {
	if cfg.Link == "" {
		cfg.Link = DefaultLink
	}
	if cfg.Scheduler == "" {
		cfg.Scheduler = DefaultScheduler
	}
	if !slices.Contains(Schedulers, cfg.Scheduler) {
		return nil, fmt.Errorf("IPVS scheduler %q: must be %s", cfg.Scheduler, strings.Join(Schedulers, ", "))
	}
	if cfg.DrainFor <= 0 {
		cfg.DrainFor = drainFor
	}
	if cfg.DrainEvery <= 0 {
		cfg.DrainEvery = drainEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Plane{cfg: cfg, flows: flows.Kernel{Logger: cfg.Logger}, servers: map[proxy.Dial]*server{}, draining: map[proxy.Dial]struct{}{}, uses: map[netip.Addr]int{}}
	if err := p.open(); err != nil {
		return nil, err
	}
	return p, nil
}

// open connects to the kernel, and makes sure that it has everything.
func (p *Plane) open() error {
	var err error
	if p.kernel, err = ipvs.New(); err != nil {
		return fmt.Errorf("the kernel has no IPVS (module ip_vs), or this process may not use it: %w", err)
	}
	if _, err = p.kernel.Info(); err != nil {
		return fmt.Errorf("ask IPVS for its version (this process needs CAP_NET_ADMIN): %w", err)
	}
	if err := p.tryScheduler(); err != nil {
		return err
	}
	if p.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open a socket to the kernel's interfaces: %w", err)
	}
	if p.cfg.Guard == nil {
		guard, err := nftables.New(nftables.Config{Table: p.cfg.Link, Guard: true, Logger: p.cfg.Logger})
		if err != nil {
			return fmt.Errorf("IPVS cannot masquerade, drop or refuse without nftables: %w", err)
		}
		p.cfg.Guard = guard
	}
	return p.tryLink()
}

// Sync compares what the kernel has with the state, and changes what differs.
func (p *Plane) Sync(ctx context.Context, state proxy.State) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = nil
	state.Services = outsideOnly(state.Services)
	if err := p.prepare(); err != nil {
		return nil, err
	}
	failures, err := p.cfg.Guard.Sync(ctx, state)
	if err != nil {
		return nil, err
	}
	held, elsewhere, err := p.addresses()
	if err != nil {
		return nil, err
	}
	p.elsewhere = elsewhere
	for _, a := range state.Others {
		p.elsewhere[a] = struct{}{}
	}
	if err := p.read(held); err != nil {
		return nil, err
	}
	if failures == nil {
		failures = proxy.Failures{}
	}
	told, wanted := map[types.NamespacedName]proxy.Rules{}, map[proxy.Dial]struct{}{}
	for i := range state.Services {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rules := &state.Services[i]
		told[rules.Service] = *rules
		for j := range rules.Frontends {
			wanted[rules.Frontends[j].Dial] = struct{}{}
		}
		p.bringAll(rules, failures)
	}
	if err := p.prune(wanted, held); err != nil {
		return nil, err
	}
	p.told = told
	return failures, p.flows.End(state.Services)
}

// prune retires what is ours and not wanted.
func (p *Plane) prune(wanted map[proxy.Dial]struct{}, held map[netip.Addr]struct{}) error {
	var failed error
	for dial := range p.servers {
		if _, ok := wanted[dial]; !ok {
			failed = errors.Join(failed, p.retire(dial))
		}
	}
	for a := range held {
		if p.uses[a] <= 0 {
			failed = errors.Join(failed, p.release(a))
		}
	}
	if failed != nil {
		return fmt.Errorf("retire virtual servers: %w", failed)
	}
	return nil
}

// bringAll makes all frontends of a Service.
func (p *Plane) bringAll(rules *proxy.Rules, failures proxy.Failures) {
	var failed error
	for i := range rules.Frontends {
		failed = errors.Join(failed, p.bring(&rules.Frontends[i], rules.Service))
	}
	note(failures, rules.Service, failed)
}

// Set changes the virtual servers of these Services.
func (p *Plane) Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == nil {
		return nil, errors.New("ipvs: nothing was synced yet")
	}
	changed = outsideOnly(changed)
	failures, err := p.cfg.Guard.Set(ctx, changed)
	if err != nil {
		return nil, err
	}
	if failures == nil {
		failures = proxy.Failures{}
	}
	touched := flows.Touched(p.told, changed)
	// First what goes: it may come back with another Service.
	for i := range changed {
		note(failures, changed[i].Service, p.retireOthers(&changed[i]))
	}
	for i := range changed {
		p.bringAll(&changed[i], failures)
		if len(changed[i].Frontends) == 0 {
			delete(p.told, changed[i].Service)
		} else {
			p.told[changed[i].Service] = changed[i]
		}
	}
	return failures, p.flows.End(touched)
}

// retireOthers retires the virtual servers that a Service had and has no more,
// unless another Service has them by now.
func (p *Plane) retireOthers(is *proxy.Rules) error {
	wanted := map[proxy.Dial]struct{}{}
	for i := range is.Frontends {
		wanted[is.Frontends[i].Dial] = struct{}{}
	}
	var failed error
	before := p.told[is.Service]
	for i := range before.Frontends {
		dial := before.Frontends[i].Dial
		_, still := wanted[dial]
		if s := p.servers[dial]; !still && s != nil && s.owner == is.Service {
			failed = errors.Join(failed, p.retire(dial))
		}
	}
	return failed
}

// Remove takes away the virtual servers, the interface and what the guard has.
func (p *Plane) Remove(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = nil
	if err := p.read(nil); err != nil {
		return err
	}
	var failed error
	for dial, s := range p.servers {
		failed = errors.Join(failed, p.delete(dial, s))
	}
	if found, err := p.links.LinkByName(p.cfg.Link); err == nil && found.Type() == "dummy" {
		if err := p.links.LinkDel(found); err != nil {
			failed = errors.Join(failed, fmt.Errorf("remove the interface %s: %w", p.cfg.Link, err))
		}
	}
	return errors.Join(failed, p.cfg.Guard.Remove(ctx))
}

// outsideOnly gives everybody what clients from outside get: IPVS does not tell
// clients apart.
func outsideOnly(of []proxy.Rules) []proxy.Rules {
	out := slices.Clone(of)
	for i := range out {
		for j := range out[i].Frontends {
			if !out[i].Frontends[j].Split() {
				continue
			}
			if &out[i].Frontends[0] == &of[i].Frontends[0] {
				out[i].Frontends = slices.Clone(of[i].Frontends)
			}
			out[i].Frontends[j].Inside = out[i].Frontends[j].Outside
		}
	}
	return out
}

// note adds to what kept a Service from being done.
func note(failures proxy.Failures, service types.NamespacedName, err error) {
	if err != nil {
		failures[service] = errors.Join(failures[service], err)
	}
}
