package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"segno/events/taint"
)

// Why a node is out of the question, in the words that people know.
const (
	outCordoned = "node(s) were unschedulable"
	outAffinity = "node(s) didn't match Pod's node affinity/selector"
	outPorts    = "node(s) didn't have free ports for the requested pod ports"
	outPods     = "Too many pods"
)

// admits says why a node never takes pods of a class; "" when it may. It depends
// on what the node is, not on what is on it.
func admits(n *node, pod *corev1.Pod, affinity nodeaffinity.RequiredNodeAffinity) string {
	if n.obj.Spec.Unschedulable && !taint.Tolerates(pod.Spec.Tolerations, &corev1.Taint{
		Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule,
	}) {
		return outCordoned
	}
	for i := range n.taints {
		t := &n.taints[i]
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !taint.Tolerates(pod.Spec.Tolerations, t) {
			return fmt.Sprintf("node(s) had untolerated taint {%s: %s}", t.Key, t.Value)
		}
	}
	if matches, err := affinity.Match(n.obj); err != nil || !matches {
		return outAffinity
	}
	return ""
}

// shortOf says what a node has too little of for now.
func shortOf(n *node, want *demand) (reasons []string) {
	if !n.portsFree(want) {
		return []string{outPorts}
	}
	if n.pods >= n.maxPods {
		reasons = append(reasons, outPods)
	}
	for _, r := range []struct {
		name             corev1.ResourceName
		has, taken, want int64
	}{
		{corev1.ResourceCPU, n.has.cpu, n.taken.cpu, want.cpu},
		{corev1.ResourceMemory, n.has.memory, n.taken.memory, want.memory},
		{corev1.ResourceEphemeralStorage, n.has.storage, n.taken.storage, want.storage},
	} {
		if !enough(r.has, r.taken, r.want) {
			reasons = append(reasons, fmt.Sprintf("Insufficient %s", r.name))
		}
	}
	for _, name := range n.lacking(want) {
		reasons = append(reasons, fmt.Sprintf("Insufficient %s", name))
	}
	return reasons
}
