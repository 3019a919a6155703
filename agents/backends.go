package agents

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

// Linked is a Network that can say how packets of pods get from node to node, in
// words that are the same on all nodes that understand each other.
type Linked interface{ Link() string }

// link is that of this node; "" is that there is none.
func (a *Agent) link() string {
	if linked, can := a.cfg.Network.(Linked); can {
		return linked.Link()
	}
	return ""
}

// mostTold is how much of another node's words is repeated.
const mostTold = 40

// apart says, for people, which nodes send packets of pods another way than this
// one, so that pods do not reach each other; "" is none. A node that does not say
// how is none.
func apart(nodes []*corev1.Node, self, own string) string {
	how := map[string]string{}
	var names []string
	for _, node := range nodes {
		if is := node.Annotations[proto.NodeLink]; own != "" && is != "" && is != own && node.Name != self {
			how[node.Name] = is[:min(len(is), mostTold)]
			names = append(names, node.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	first := slices.Min(names)
	more := ""
	if len(names) > 1 {
		more = fmt.Sprintf(" (and %d more nodes differ)", len(names)-1)
	}
	return fmt.Sprintf("pods here and on node %s do not reach each other: it was started with %q, this node with %q%s; give all nodes the same --backend and --vxlan-port", first, how[first], own, more)
}

// tellApart has people told of that once, for as long as it is so.
func (a *Agent) tellApart(nodes []*corev1.Node) {
	said := apart(nodes, string(a.cfg.Node), a.link())
	if a.changeHealth(func(h *health) { h.apart = said }) && said != "" {
		a.cfg.Logger.Warn(said)
	}
}
