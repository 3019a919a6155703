package fields

import (
	"maps"
	"slices"
	"strconv"
)

// Node is a field with those below it. Paths are those of Change.
type Node struct {
	Path  string
	Key   string         // in the map above; "" for the root and for elements of a list
	Item  map[string]any // an element of a list that is a map
	List  bool           // what is below are elements
	Value any            // of a leaf: a scalar, a list of scalars, or something empty
	Below []*Node
}

// Tree is an object, as Of answers it, by its fields: those of a map by name,
// those of a list in their order. What is hidden, or null, is left out.
func Tree(object map[string]any) *Node { return grow(&Node{}, object) }

func grow(n *Node, value any) *Node {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if path := join(n.Path, key); value[key] != nil && !slices.Contains(hidden, path) {
				n.Below = append(n.Below, grow(&Node{Path: path, Key: key}, value[key]))
			}
		}
	case []any:
		if scalars(value) {
			break
		}
		n.List = true
		field, byName := named(value)
		for i, item := range value {
			name := strconv.Itoa(i)
			if byName {
				name, _ = nameIn(item, field)
			}
			fields, _ := item.(map[string]any)
			n.Below = append(n.Below, grow(&Node{Path: element(n.Path, name), Item: fields}, item))
		}
	}
	if len(n.Below) == 0 {
		n.Value = value
	}
	return n
}

// Leaf tells whether nothing is below.
func (n *Node) Leaf() bool { return len(n.Below) == 0 }

// Leaves visits every leaf, with the nodes that lead to it from the root on.
func (n *Node) Leaves(visit func(leaf *Node, way []*Node)) { n.leaves(nil, visit) }

func (n *Node) leaves(way []*Node, visit func(*Node, []*Node)) {
	if n.Leaf() {
		visit(n, way)
		return
	}
	for _, below := range n.Below {
		below.leaves(append(slices.Clip(way), below), visit)
	}
}

// Object is what a tree of an object shows: all but what Tree leaves out.
func (n *Node) Object() map[string]any {
	out := map[string]any{}
	for _, below := range n.Below {
		out[below.Key] = below.value()
	}
	return out
}

func (n *Node) value() any {
	switch {
	case n.Leaf():
		return n.Value
	case n.List:
		list := make([]any, len(n.Below))
		for i, below := range n.Below {
			list[i] = below.value()
		}
		return list
	default:
		return n.Object()
	}
}
