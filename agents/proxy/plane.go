package proxy

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Plane moves the traffic of Services. It is told states, never steps: to be
// told twice is to be told once, and what it was told last holds. Only one
// method runs at a time, save Run, which runs beside them.
//
// New connections go by the newest rules from the moment a method answers.
// Established ones stay where they are, also when their backend is no longer
// named; flows of UDP, which have no end, leave a backend that is not.
// Whatever the plane finds in the kernel that is not its own it leaves alone.
type Plane interface {
	// Sync makes everything as the state says: it compares with what is there,
	// also with what another process left, and removes what is the plane's own
	// and not wanted. A Service that fails is named and keeps no other from
	// being done; the error is what kept all of it from being done.
	Sync(ctx context.Context, state State) (Failures, error)
	// Set makes the rules of these Services what is said here; Rules without a
	// Frontend remove the Service. It costs what these Services cost, however
	// many there are beside them. It is called after a Sync that succeeded.
	Set(ctx context.Context, changed []Rules) (Failures, error)
	// Run does what needs time, such as drained backends and idle flows, until
	// ctx ends. What lives in the kernel stays there afterwards.
	Run(ctx context.Context) error
	// Remove takes away everything that is the plane's own: for another plane,
	// or a node that is no more.
	Remove(ctx context.Context) error
}

// Failures says of Services what kept them from being done.
type Failures map[types.NamespacedName]error

// State is all that a plane is told.
type State struct {
	// Inside are the addresses of this node's pods. They and the node itself
	// are inside, all others outside.
	Inside []netip.Prefix
	// Others are addresses that never become this node's own.
	Others []netip.Addr
	// Services in the order of their names, each of them once, and no Dial of
	// one in another.
	Services []Rules
}

// Rules are what a node does for one Service.
type Rules struct {
	Service   types.NamespacedName
	Frontends []Frontend // in the order of Dial, each of them once
	// Health is what a load balancer may ask this node, if anything.
	Health Health
}

// Health is the answer of a node to whom a load balancer asks whether to send
// traffic of the Service there: yes, if the node has local backends.
type Health struct {
	Port  uint16 // 0 is nobody asks
	Local int    // backends on this node
}

// Dial is where clients connect to.
type Dial struct {
	Protocol corev1.Protocol
	Address  netip.Addr
	Port     uint16
}

func (d Dial) String() string {
	return string(d.Protocol) + " " + netip.AddrPortFrom(d.Address, d.Port).String()
}

// Compare orders by address, protocol and port.
func (d Dial) Compare(o Dial) int {
	return cmp.Or(d.Address.Compare(o.Address), cmp.Compare(d.Protocol, o.Protocol), cmp.Compare(d.Port, o.Port))
}

// Kind says whose address a frontend has.
type Kind uint8

// The kinds, those that win over others first.
const (
	ClusterIP    Kind = iota + 1
	LoadBalancer      // given to the Service, by status
	ExternalIP        // chosen by the Service's author
	NodePort          // an address that the node has anyway
)

func (k Kind) String() string {
	switch k {
	case ClusterIP:
		return "cluster IP"
	case LoadBalancer:
		return "load balancer"
	case ExternalIP:
		return "external IP"
	case NodePort:
		return "node port"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Frontend is one virtual port.
type Frontend struct {
	Dial Dial
	Kind Kind
	// Outside get these: clients that are neither pods of this node nor the
	// node itself. In the order of Backend.Compare, each address once.
	Outside Choice
	// Inside get these. Nearly always the same as Outside.
	Inside Choice
	// Affinity is for how long a client comes to the same backend after its
	// last connection; 0 is not at all.
	Affinity time.Duration
	// Limited says that only clients from Sources may connect; others are
	// dropped.
	Limited bool
	Sources []netip.Prefix // in order, each once
	// Masquerade says that clients from outside must appear as this node, or
	// the backends' answers would not come back this way.
	Masquerade bool
}

// Choice is who may get a new connection.
type Choice struct {
	Backends []Backend
	// Drop says that without a backend packets are dropped, because another
	// node has some. Otherwise they are refused, at once.
	Drop bool
}

// Backend is an address that answers.
type Backend struct {
	Address netip.AddrPort
	Local   bool // on this node
}

// Compare orders by address and port.
func (b Backend) Compare(o Backend) int { return b.Address.Compare(o.Address) }

// Equal says that nothing differs.
func (c Choice) Equal(o Choice) bool { return c.Drop == o.Drop && slices.Equal(c.Backends, o.Backends) }

// Split says that where a client comes from makes a difference.
func (f *Frontend) Split() bool { return !f.Inside.Equal(f.Outside) }

// Equal says that nothing differs.
func (f *Frontend) Equal(o *Frontend) bool {
	return f.Dial == o.Dial && f.Kind == o.Kind && f.Affinity == o.Affinity && f.Limited == o.Limited &&
		f.Masquerade == o.Masquerade && slices.Equal(f.Sources, o.Sources) && f.Outside.Equal(o.Outside) && f.Inside.Equal(o.Inside)
}

// Equal says that nothing differs.
func (r *Rules) Equal(o *Rules) bool {
	return r.Service == o.Service && r.Health == o.Health && slices.EqualFunc(r.Frontends, o.Frontends,
		func(a, b Frontend) bool { return a.Equal(&b) })
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
