package scheduler

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
	"segno/reconcilers/internal/claim"
)

// pass places the pods that wait, one after the other, each on what those
// before it leave.
type pass struct {
	nodes   []*node
	classes map[string]*class
	placed  []placement
	failed  []*corev1.Pod
}

type placement struct {
	pod  *corev1.Pod
	node proto.NodeName
}

// newPass takes in what the nodes have and what the pods on them take.
func newPass(nodes []*corev1.Node, pods []*corev1.Pod) *pass {
	p := &pass{classes: map[string]*class{}}
	byName := map[string]*node{}
	for _, obj := range nodes {
		if obj.DeletionTimestamp != nil {
			continue
		}
		n := newNode(obj)
		p.nodes = append(p.nodes, n)
		byName[obj.Name] = n
	}
	for _, pod := range pods {
		if n := byName[pod.Spec.NodeName]; n != nil && takesRoom(pod) {
			want := demandOf(pod)
			n.take(&want, claim.Controller(pod))
		}
	}
	return p
}

// waitingPods lists the pods to place: the important ones first, then the older
// ones.
func waitingPods(pods []*corev1.Pod) []*corev1.Pod {
	var waiting []*corev1.Pod
	for _, pod := range pods {
		if pending(pod) {
			waiting = append(waiting, pod)
		}
	}
	slices.SortStableFunc(waiting, func(a, b *corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(priority(b), priority(a)),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		)
	})
	return waiting
}

func priority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// place finds the best node for a pod and takes the room there.
func (p *pass) place(pod *corev1.Pod) {
	c := p.classOf(pod)
	n := c.best()
	if n == nil {
		p.failed = append(p.failed, pod)
		return
	}
	n.take(&c.demand, c.owner)
	p.placed = append(p.placed, placement{pod: pod, node: proto.NodeName(n.obj.Name)})
}

// classOf finds the pod's class, or makes it.
func (p *pass) classOf(pod *corev1.Pod) *class {
	id := classID(pod)
	c := p.classes[id]
	if c == nil {
		c = newClass(pod, p.nodes)
		p.classes[id] = c
	}
	return c
}
