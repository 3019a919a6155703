package explain

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/taint"
)

// shownNodes is how many nodes that refuse a pod are told of; the others are counted.
const shownNodes = 5

// refusals tells of the nodes that take none of the pod's like, and of the changes
// that made them so: no transaction states these as causes, since nothing happened
// to the pod.
func (p *podOf) refusals() error {
	list, err := events.ListAs[*corev1.Node](p.View, events.Query{Resource: nodes})
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(n *corev1.Node) bool { return refuses(n, p.pod) == nil })
	slices.SortFunc(list, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, node := range list[:min(shownNodes, len(list))] {
		if err := p.refusal(node); err != nil {
			return err
		}
	}
	if left := len(list) - shownNodes; left > 0 {
		p.sayOnce("%s more refuse it, too.", counted(left, "node"))
	}
	return nil
}

// refuses is the taint for which a node does not take a pod; nil when it may.
func refuses(node *corev1.Node, pod *corev1.Pod) *corev1.Taint {
	cordon := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	if node.Spec.Unschedulable && !taint.Tolerates(pod.Spec.Tolerations, &cordon) {
		return &cordon
	}
	for i := range node.Spec.Taints {
		t := &node.Spec.Taints[i]
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !taint.Tolerates(pod.Spec.Tolerations, t) {
			return t
		}
	}
	return nil
}

// refusal tells since when a node refuses the pod, and by whom.
func (p *podOf) refusal(node *corev1.Node) error {
	because := refuses(node, p.pod)
	key := nodes.Key("", node.Name)
	r, err := p.query.since(key, node.UID, as(func(n *corev1.Node) bool {
		if because.Key == corev1.TaintNodeUnschedulable && n.Spec.Unschedulable {
			return true
		}
		return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == because.Key && t.Value == because.Value && t.Effect == because.Effect
		})
	}))
	if err != nil || r == nil {
		return err
	}
	what := "has the taint " + because.ToString()
	if because.Key == corev1.TaintNodeUnschedulable {
		what = "is cordoned"
	}
	p.sayOnce("%s %s %s, by %s.", name(key), what, r.sinceWhen(), asked(r.began.Envelope))
	p.end(r.began.Envelope, name(key)+" "+what+" since then, and takes no pods that do not tolerate that")
	return nil
}
