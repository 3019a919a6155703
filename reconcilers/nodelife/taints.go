package nodelife

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"segno/reconcilers"
)

// rule says which taints a condition calls for.
type rule struct {
	condition corev1.NodeConditionType
	status    corev1.ConditionStatus
	key       string
	effects   []corev1.TaintEffect
}

var (
	keepOff   = []corev1.TaintEffect{corev1.TaintEffectNoSchedule}
	driveAway = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute}
	rules     = []rule{
		{corev1.NodeReady, corev1.ConditionFalse, corev1.TaintNodeNotReady, driveAway},
		{corev1.NodeReady, corev1.ConditionUnknown, corev1.TaintNodeUnreachable, driveAway},
		{corev1.NodeMemoryPressure, corev1.ConditionTrue, corev1.TaintNodeMemoryPressure, keepOff},
		{corev1.NodeDiskPressure, corev1.ConditionTrue, corev1.TaintNodeDiskPressure, keepOff},
		{corev1.NodePIDPressure, corev1.ConditionTrue, corev1.TaintNodePIDPressure, keepOff},
		{corev1.NodeNetworkUnavailable, corev1.ConditionTrue, corev1.TaintNodeNetworkUnavailable, keepOff},
	}
)

// settleTaints gives a node the taints that its state calls for, and takes away
// those that it does not call for any more. Taints of people stay; one that
// drives pods away is given the time from which that counts.
func settleTaints(node *corev1.Node, at time.Time) {
	wanted := called(node)
	ours := map[string]bool{corev1.TaintNodeUnschedulable: true}
	for _, r := range rules {
		ours[r.key] = true
	}
	now := reconcilers.Stamp(at)
	var taints []corev1.Taint
	for _, t := range node.Spec.Taints {
		i := slices.IndexFunc(wanted, func(w corev1.Taint) bool { return w.Key == t.Key && w.Effect == t.Effect })
		if i < 0 && ours[t.Key] {
			continue
		}
		if i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
		}
		if t.Effect == corev1.TaintEffectNoExecute && t.TimeAdded == nil {
			t.TimeAdded = &now
		}
		taints = append(taints, t)
	}
	for _, t := range wanted {
		t.TimeAdded = &now
		taints = append(taints, t)
	}
	node.Spec.Taints = taints
}

// called lists the taints that the node's state calls for.
func called(node *corev1.Node) (taints []corev1.Taint) {
	for _, r := range rules {
		is := condition(node, r.condition)
		if is == nil || is.Status != r.status {
			continue
		}
		for _, effect := range r.effects {
			taints = append(taints, corev1.Taint{Key: r.key, Effect: effect})
		}
	}
	if node.Spec.Unschedulable {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	return taints
}

// sameWanted compares what is wanted of a node.
func sameWanted(a, b *corev1.Node) bool {
	return equality.Semantic.DeepEqual(a.Spec, b.Spec) && maps.Equal(a.Annotations, b.Annotations)
}

// driving lists the taints that drive pods away.
func driving(node *corev1.Node) (taints []*corev1.Taint) {
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].Effect == corev1.TaintEffectNoExecute {
			taints = append(taints, &node.Spec.Taints[i])
		}
	}
	return taints
}
