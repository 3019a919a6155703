package scheduler

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events/taint"
)

// node is a node and what is taken of it, in this pass.
type node struct {
	obj      *corev1.Node
	taints   []corev1.Taint
	has      amounts
	taken    demand // by all its pods together
	pods     int64
	maxPods  int64
	families map[types.UID]int64 // pods by their controller
}

func newNode(obj *corev1.Node) *node {
	n := &node{
		obj: obj, taints: taint.Effective(obj), maxPods: obj.Status.Allocatable.Pods().Value(),
		families: map[types.UID]int64{},
	}
	n.has.addList(obj.Status.Allocatable)
	return n
}

// take gives room to a pod.
func (n *node) take(want *demand, owner types.UID) {
	n.taken.cpu = sum(n.taken.cpu, want.cpu)
	n.taken.memory = sum(n.taken.memory, want.memory)
	n.taken.storage = sum(n.taken.storage, want.storage)
	n.taken.cpuGuess = sum(n.taken.cpuGuess, want.cpuGuess)
	n.taken.memoryGuess = sum(n.taken.memoryGuess, want.memoryGuess)
	for name, amount := range want.more {
		if n.taken.more == nil {
			n.taken.more = map[corev1.ResourceName]int64{}
		}
		n.taken.more[name] = sum(n.taken.more[name], amount)
	}
	n.taken.ports = append(n.taken.ports, want.ports...)
	n.pods++
	if owner != "" {
		n.families[owner]++
	}
}

// fits tells whether there is room for a pod.
func (n *node) fits(want *demand) bool {
	return n.pods < n.maxPods &&
		enough(n.has.cpu, n.taken.cpu, want.cpu) &&
		enough(n.has.memory, n.taken.memory, want.memory) &&
		enough(n.has.storage, n.taken.storage, want.storage) &&
		n.lacking(want) == nil && n.portsFree(want)
}

// enough holds for what is not asked for, even on a node with too much on it.
func enough(has, taken, want int64) bool { return want == 0 || want <= has-taken }

// lacking lists the extended resources that there is not enough of.
func (n *node) lacking(want *demand) (names []corev1.ResourceName) {
	for name, amount := range want.more {
		if !enough(n.has.more[name], n.taken.more[name], amount) {
			names = append(names, name)
		}
	}
	return names
}

func (n *node) portsFree(want *demand) bool {
	return !slices.ContainsFunc(want.ports, func(port hostPort) bool {
		return slices.ContainsFunc(n.taken.ports, port.clashes)
	})
}
