package history

import (
	"slices"

	"segno/proto"
)

// Why is what led to an object being as it is.
type Why struct {
	Object Object `json:"object"`
	// Roots are where the chains of causes begin: a person's request, or
	// something that happened by itself. Oldest first.
	Roots []*Node `json:"roots"`
	More  bool    `json:"more,omitempty"` // older revisions were left out
}

// Node is a transaction among its causes and effects. Parent is its cause in
// Transaction.Cause; only effects that lead to the object are children.
type Node struct {
	Transaction
	Own      bool    `json:"own,omitempty"`  // changed the object itself
	Lost     bool    `json:"lost,omitempty"` // its cause is no longer in the log
	Children []*Node `json:"children,omitempty"`
}

// Chain builds the tree of causes of an object's transactions. lookup answers a
// transaction of the EVENTS log, where all causes lie, or nil when it is gone.
func Chain(stream string, own []*proto.Envelope, lookup func(proto.Seq) (*proto.Envelope, error)) ([]*Node, error) {
	c := chain{known: map[proto.Seq]*Node{}, lookup: lookup}
	for _, env := range own {
		if stream == proto.StreamEvents {
			c.known[env.Seq] = &Node{Transaction: Of(stream, env, nil), Own: true}
		}
	}
	for _, env := range own {
		node := c.known[env.Seq]
		if stream != proto.StreamEvents {
			node = &Node{Transaction: Of(stream, env, nil), Own: true}
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
	lookup  func(proto.Seq) (*proto.Envelope, error)
}

// climb hangs a node under its cause, and that under its own, up to the root.
func (c *chain) climb(node *Node) error {
	if c.climbed == nil {
		c.climbed = map[*Node]bool{}
	}
	for !c.climbed[node] {
		c.climbed[node] = true
		if node.Cause == 0 {
			c.roots = append(c.roots, node)
			return nil
		}
		parent := c.known[node.Cause]
		if parent == nil {
			env, err := c.lookup(node.Cause)
			if err != nil {
				return err
			}
			if env == nil {
				node.Lost = true
				c.roots = append(c.roots, node)
				return nil
			}
			parent = &Node{Transaction: Of(proto.StreamEvents, env, nil)}
			c.known[node.Cause] = parent
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

func order(a, b *Node) int { return a.Time.Compare(b.Time) }
