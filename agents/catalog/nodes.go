package catalog

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// Nodes answers all nodes of the cluster, in no order and with no more than
// their name, addresses and pod CIDRs, and whether they can take traffic from
// outside; and what is closed when they are others.
func (c *Catalog) Nodes() ([]*corev1.Node, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return slices.Collect(maps.Values(c.nodes)), c.moved
}

func (c *Catalog) setNode(name string, node *corev1.Node) {
	if c.nodes == nil {
		c.nodes = map[string]*corev1.Node{}
	}
	if node == nil {
		delete(c.nodes, name)
	} else {
		c.nodes[name] = node
	}
	c.tellOfNodes()
}

func (c *Catalog) setNodes(nodes map[string]*corev1.Node) {
	same := maps.EqualFunc(c.nodes, nodes, func(a, b *corev1.Node) bool {
		return equality.Semantic.DeepEqual(a.Spec, b.Spec) && equality.Semantic.DeepEqual(a.Status, b.Status) &&
			maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)
	})
	c.nodes = nodes
	if !same {
		c.tellOfNodes()
	}
}

func (c *Catalog) tellOfNodes() {
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}
