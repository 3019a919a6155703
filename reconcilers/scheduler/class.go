package scheduler

import (
	"container/heap"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"segno/reconcilers/internal/claim"
)

// class is a set of pods that a node cannot tell apart: of one controller and
// with one spec. What a node is to them is worked out once.
type class struct {
	demand  demand
	owner   types.UID
	nodes   []*node
	out     []string // by node: why it is out of the question; "" when it is not
	choices choices
}

// classID is the same for pods of one class.
func classID(pod *corev1.Pod) string {
	data, err := pod.Spec.Marshal()
	if err != nil {
		return string(pod.UID) // a class of its own
	}
	return string(claim.Controller(pod)) + "\x00" + string(data)
}

func newClass(pod *corev1.Pod, nodes []*node) *class {
	c := &class{demand: demandOf(pod), owner: claim.Controller(pod), nodes: nodes, out: make([]string, len(nodes))}
	affinity := nodeaffinity.GetRequiredNodeAffinity(pod)
	preferred := preferences(pod, nodes)
	for i, n := range nodes {
		c.out[i] = admits(n, pod, affinity)
		if c.out[i] == "" {
			c.choices = append(c.choices, choice{
				node: n, order: i, preference: preferred[i], score: score(n, &c.demand, c.owner, preferred[i]),
			})
		}
	}
	heap.Init(&c.choices)
	return c
}

// best answers the node with the highest score that has room, or nil. The scores
// in the heap may be from before others took room, and so too high: the best
// one is right if it still is the best when looked at again.
func (c *class) best() *node {
	for len(c.choices) > 0 {
		top := &c.choices[0]
		if !top.node.fits(&c.demand) {
			heap.Pop(&c.choices) // nothing gives room back during a pass
			continue
		}
		now := score(top.node, &c.demand, c.owner, top.preference)
		if now == top.score {
			return top.node
		}
		top.score = now
		heap.Fix(&c.choices, 0)
	}
	return nil
}

// choice is a node that may take pods of a class.
type choice struct {
	node       *node
	order      int // breaks ties
	preference int64
	score      int64
}

// choices implements heap.Interface, the best first.
type choices []choice

func (c choices) Len() int { return len(c) }

func (c choices) Less(i, j int) bool {
	if c[i].score != c[j].score {
		return c[i].score > c[j].score
	}
	return c[i].order < c[j].order
}

func (c choices) Swap(i, j int) { c[i], c[j] = c[j], c[i] }

func (c *choices) Push(x any) { *c = append(*c, x.(choice)) }

func (c *choices) Pop() any {
	old := *c
	last := old[len(old)-1]
	*c = old[:len(old)-1]
	return last
}
