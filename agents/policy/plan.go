package policy

import "net/netip"

// Direction of traffic, as seen from a pod of this node.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota
	Egress
)

// String is the direction as policies write it, in lower case.
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// Plan is what this node allows its pods. A pod that is not isolated in a
// direction is free in it. One that is may do what a rule of its chain accepts,
// and nothing else, save answers, and what goes to itself or its node.
type Plan struct {
	// Isolated leads the addresses of this node's pods to their chains, by
	// direction.
	Isolated [2]map[netip.Addr]string
	Chains   map[string]Chain
	Sets     map[string]Set
	Blocks   map[string][]Range
}

// Chain is rules of which the first that matches decides.
type Chain struct {
	Direction Direction
	Rules     []Rule
	// Closed drops what no rule accepts; otherwise who jumped here goes on.
	Closed bool
}

// Rule matches what meets all its conditions, and accepts it, or goes on at
// another chain.
type Rule struct {
	Peers  string // set of addresses with the peer's; "" is anybody
	Blocks string // ranges with the peer's address; "" is anybody
	Named  string // set with the destination's address, protocol and port; "" is any
	// Protocol is that of IP; 0 is any, also without ports.
	Protocol uint8
	From, To uint16 // the destination's port; both 0 is any
	Jump     string // a chain; "" accepts
}

// Set is addresses, or addresses with protocol and port.
type Set struct {
	Ports    bool
	Comment  string // whose it is, for people
	Elements map[Element]struct{}
}

// Element of a Set; protocol and port are 0 where the set has none.
type Element struct {
	Address  netip.Addr
	Protocol uint8
	Port     uint16
}

// Range is addresses of one family, both ends included.
type Range struct{ From, To netip.Addr }

// Touched are the parts of a plan that changed: each may be new, different, or
// gone.
type Touched struct {
	Isolated [2]map[netip.Addr]struct{}
	Chains   map[string]struct{}
	Sets     map[string]map[Element]struct{}
	Blocks   map[string]struct{}
}

// Nothing says that the plan is as it was.
func (t *Touched) Nothing() bool {
	return len(t.Isolated[Ingress])+len(t.Isolated[Egress])+len(t.Chains)+len(t.Sets)+len(t.Blocks) == 0
}

func newPlan() Plan {
	return Plan{
		Isolated: [2]map[netip.Addr]string{{}, {}},
		Chains:   map[string]Chain{}, Sets: map[string]Set{}, Blocks: map[string][]Range{},
	}
}

func newTouched() Touched {
	return Touched{
		Isolated: [2]map[netip.Addr]struct{}{{}, {}},
		Chains:   map[string]struct{}{}, Sets: map[string]map[Element]struct{}{}, Blocks: map[string]struct{}{},
	}
}
