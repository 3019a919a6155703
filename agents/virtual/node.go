package virtual

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/network"
	"segno/agents/pod"
	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
	"segno/proto"
)

// How long things take that take no time on a simulated engine: about what they
// do on Docker, with an image that is near.
const (
	DefaultStart = 500 * time.Millisecond
	DefaultPull  = time.Second
)

// Config says what the node is.
type Config struct {
	Node  *corev1.Node     // as it is now
	Pods  []*corev1.Pod    // that are bound to it, with their statuses
	Now   func() time.Time // the clock that somebody else moves on
	Fates *Fates
	// Start is how long the start of a container takes, Pull that of an image; 0 is
	// the default, below 0 no time.
	Start, Pull time.Duration
}

// Node is one node. It is not safe for use by several goroutines.
type Node struct {
	name   proto.NodeName
	engine *simulated.Engine
	keeper *pod.Keeper
	pods   map[string]*corev1.Pod // by UID, as last wanted
	said   proto.Report
	next   time.Time // when something is to be done; zero is when something changes
	woken  bool
	silent bool
}

// New makes the node with the pods that run on it already.
func New(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{name: proto.NodeName(cfg.Node.Name), pods: map[string]*corev1.Pod{}}
	n.engine = simulated.New(simulated.Config{Now: cfg.Now, NoImage: cfg.Fates.noImage, Script: cfg.Fates.script})
	cables := network.NewSimulated()
	held := n.adopt(cfg)
	if cidrs := cidrsOf(cfg.Node); len(cidrs) > 0 {
		if err := cables.Setup(ctx, cidrs, within(cidrs[0], held)); err != nil {
			return nil, fmt.Errorf("simulate node %s: %w", n.name, err)
		}
	}
	var err error
	n.keeper, err = pod.New(pod.Config{
		Node:    pod.Node{Name: n.name, Address: addressOf(cfg.Node), Memory: cfg.Node.Status.Capacity.Memory().Value()},
		Runtime: n.engine, Network: cables, AlwaysHealthy: true, Now: cfg.Now,
		Tell: func(item proto.ReportItem) { n.said.Items = append(n.said.Items, item) },
		Note: func(note proto.NodeNote) { n.said.Notes = append(n.said.Notes, note) },
		Takes: func(_ pod.Want, action pod.Action) time.Duration {
			switch action.Verb {
			case pod.StartContainer:
				return orDefault(cfg.Start, DefaultStart)
			case pod.PullImage:
				return orDefault(cfg.Pull, DefaultPull)
			default:
				return 0
			}
		},
		Forget:  func(uid string) { delete(n.pods, uid) },
		Unready: func(c runtime.Container) bool { return n.unready(cfg.Fates, c) },
	})
	if err != nil {
		return nil, fmt.Errorf("simulate node %s: %w", n.name, err)
	}
	for _, p := range cfg.Pods {
		n.Want(p)
	}
	return n, nil
}

func orDefault(given, usual time.Duration) time.Duration {
	if given == 0 {
		return usual
	}
	return max(0, given)
}

// adopt gives the engine what runs already, and answers the addresses of that.
func (n *Node) adopt(cfg Config) (held map[string]netip.Addr) {
	held = map[string]netip.Addr{}
	taken := map[netip.Addr]bool{}
	for _, p := range cfg.Pods {
		was := adopt(p)
		n.engine.Adopt(was, func(c runtime.Container) (simulated.Script, bool) {
			spec := runtime.ContainerSpec{Ref: c.Ref, Image: c.Image, Annotations: p.Annotations}
			if of := containerOf(p, c.Ref.Container); of != nil {
				spec.Command, spec.Args = of.Command, of.Args
			}
			return cfg.Fates.script(spec)
		})
		if was.Sandbox != nil && was.Sandbox.Address.IsValid() && !taken[was.Sandbox.Address] {
			held[was.UID] = was.Sandbox.Address
			taken[was.Sandbox.Address] = true
		}
	}
	return held
}

func cidrsOf(node *corev1.Node) (out []netip.Prefix) {
	for _, text := range append([]string{node.Spec.PodCIDR}, node.Spec.PodCIDRs...) {
		if cidr, err := netip.ParsePrefix(text); err == nil && !slices.Contains(out, cidr) {
			out = append(out, cidr)
		}
	}
	return out
}

// within leaves out addresses of an earlier network of the node.
func within(cidr netip.Prefix, held map[string]netip.Addr) map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for uid, address := range held {
		if cidr.Contains(address) {
			out[uid] = address
		}
	}
	return out
}

func containerOf(p *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func addressOf(node *corev1.Node) netip.Addr {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address, _ := netip.ParseAddr(a.Address)
			return address
		}
	}
	return netip.Addr{}
}

// unready tells whether a container does not pass its probes.
func (n *Node) unready(fates *Fates, c runtime.Container) bool {
	p := n.pods[c.Ref.UID]
	if p == nil {
		return false
	}
	of := containerOf(p, c.Ref.Container)
	return of != nil && fates.unready[program(of.Image, of.Command, of.Args)]
}

// Name is the node's.
func (n *Node) Name() proto.NodeName { return n.name }

// Silence makes the node one that has vanished: nothing is heard of it any more,
// and nothing more happens on it that anybody would learn of.
func (n *Node) Silence() { n.silent = true }

// Silent tells whether the node has vanished.
func (n *Node) Silent() bool { return n.silent }

// Want is how a pod of the node should be.
func (n *Node) Want(p *corev1.Pod) {
	seq, _ := proto.ParseSeq(p.ResourceVersion) // a view's own; 0 is the oldest
	n.pods[string(p.UID)] = p
	n.keeper.Want(pod.Want{Pod: p, Seq: seq})
	n.woken = true
}

// Gone says that a pod's object is not there any more.
func (n *Node) Gone(uid string) {
	n.keeper.Gone(uid, 0)
	n.woken = true
}

// Due tells whether there is something to do, and when there will be: zero when
// only a change can matter.
func (n *Node) Due(now time.Time) (due bool, next time.Time) {
	if n.silent {
		return false, time.Time{}
	}
	return n.woken || !n.next.IsZero() && !n.next.After(now), n.next
}

// Step does all that is due, and answers what the node says.
func (n *Node) Step(ctx context.Context) proto.Report {
	if n.silent {
		return proto.Report{}
	}
	n.woken = false
	ended, _ := n.engine.CatchUp()
	for _, uid := range ended {
		n.keeper.Wake(uid)
	}
	later := n.keeper.CatchUp(ctx)
	_, n.next = n.engine.CatchUp()
	if n.next.IsZero() || !later.IsZero() && later.Before(n.next) {
		n.next = later
	}
	said := n.said
	n.said = proto.Report{}
	return said
}
