package history

import (
	"cmp"
	"slices"

	"segno/events"
	"segno/events/explain"
	"segno/proto"
)

// Why is what led to an object being as it is.
type Why struct {
	Object proto.Object `json:"object"`
	// Roots are where the chains of causes begin: a person's request, or
	// something that happened by itself. Oldest first.
	Roots []*Node `json:"roots"`
	More  bool    `json:"more,omitempty"` // older revisions were left out
	// Answer is there when a question was asked; the tree then leads to what makes
	// it true.
	Answer *Answer `json:"answer,omitempty"`
	// Earlier is there when nothing in the log is about the object, which the log
	// begins with: its last change.
	Earlier *Earlier `json:"earlier,omitempty"`
}

// Answer is what was asked about an object, in words.
type Answer struct {
	Question string   `json:"question"`
	Applies  bool     `json:"applies"` // it is so, as of the moment
	Says     []string `json:"says"`
	// Hints are moments at which the question has another answer.
	Hints []Hint `json:"hints,omitempty"`
}

// Hint is a moment worth a look.
type Hint struct {
	At   proto.Seq `json:"at"`
	Says string    `json:"says"`
}

// Because is a cause that was found out: no transaction states it.
type Because struct {
	Seq  proto.Seq `json:"seq"`
	Says string    `json:"says,omitempty"`
}

// Node is a transaction among its causes and effects. Parent is its cause in
// Transaction.Cause, or in Because; only effects that lead to the object are
// children.
type Node struct {
	Transaction
	Own     bool     `json:"own,omitempty"`  // changed the object itself, or is what was asked for
	Lost    bool     `json:"lost,omitempty"` // its cause is no longer in the log
	Says    []string `json:"says,omitempty"`
	Because *Because `json:"because,omitempty"`
	// TakesBack is the transaction that a person's undo takes back.
	TakesBack proto.Seq `json:"takesBack,omitempty"`
	LeftOut   int       `json:"leftOut,omitempty"` // transactions below that are not shown
	Children  []*Node   `json:"children,omitempty"`
}

// Chain builds the tree of causes of an object's transactions. lookup answers a
// transaction of the EVENTS log, where all causes lie, or nil when it is gone.
func Chain(stream string, own []*proto.Envelope, lookup func(proto.Seq) (*proto.Envelope, error)) ([]*Node, error) {
	return newChain(lookup).build(stream, own)
}

func nodeOf(stream string, env *proto.Envelope, own bool) *Node {
	return &Node{Transaction: Of(stream, env, nil), Own: own, TakesBack: events.Undone(env)}
}

func newChain(lookup func(proto.Seq) (*proto.Envelope, error)) *chain {
	return &chain{known: map[proto.Seq]*Node{}, climbed: map[*Node]bool{}, lookup: lookup}
}

func (c *chain) build(stream string, own []*proto.Envelope) ([]*Node, error) {
	for _, env := range own {
		if stream == proto.StreamEvents {
			c.known[env.Seq] = nodeOf(stream, env, true)
		}
	}
	for _, env := range own {
		node := c.known[env.Seq]
		if stream != proto.StreamEvents {
			node = nodeOf(stream, env, true)
		}
		if err := c.climb(node); err != nil {
			return nil, err
		}
	}
	for _, root := range c.roots {
		root.sort()
	}
	slices.SortFunc(c.roots, order)
	return c.roots, nil
}

type chain struct {
	known   map[proto.Seq]*Node
	climbed map[*Node]bool
	roots   []*Node
	links   map[proto.Seq]explain.Link // causes that were found out
	lookup  func(proto.Seq) (*proto.Envelope, error)
}

// cause is what a node hangs under: what was found out, before what it says. What
// a person did hangs under nothing, though an undo says what it takes back.
func (c *chain) cause(node *Node) proto.Seq {
	if link, ok := c.links[node.Seq]; ok {
		node.Because = &Because{Seq: link.Cause, Says: link.Says}
		return link.Cause
	}
	if node.Actor.Person() {
		return 0
	}
	return node.Cause
}

// climb hangs a node under its cause, and that under its own, up to the root.
func (c *chain) climb(node *Node) error {
	for !c.climbed[node] {
		c.climbed[node] = true
		cause := c.cause(node)
		if cause == 0 {
			c.roots = append(c.roots, node)
			return nil
		}
		parent := c.known[cause]
		if parent == nil {
			env, err := c.lookup(cause)
			if err != nil {
				return err
			}
			if env == nil {
				node.Lost = true
				c.roots = append(c.roots, node)
				return nil
			}
			parent = nodeOf(proto.StreamEvents, env, false)
			c.known[cause] = parent
		}
		parent.Children = append(parent.Children, node)
		node = parent
	}
	return nil
}

func (n *Node) sort() {
	slices.SortFunc(n.Children, order)
	for _, child := range n.Children {
		child.sort()
	}
}

func order(a, b *Node) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) }
