package scheduler

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"segno/events/taint"
)

// Scores are in thousandths of a point. An empty node has 100 points; what a
// pod prefers can outweigh that, and each pod of the same family costs enough
// that a family spreads before it piles up.
const (
	point          = 1000
	emptyNode      = 100 * point
	preferredNode  = 200 * point // of all that is preferred
	avoidedTaint   = 300 * point // of all taints that should be avoided
	perFamilyPod   = 25 * point
	perPodAtAll    = 1 // breaks ties
	guessedMissing = 1 // keeps a node without capacity from dividing by zero
)

// score says how good it is to put one more pod of a family on a node. With each
// pod that the node takes it falls, never rises: best relies on that.
func score(n *node, want *demand, owner types.UID, preference int64) int64 {
	free := emptyNode / 2 * freeAfter(n.has.cpu, sum(n.taken.cpuGuess, want.cpuGuess)) / point
	free += emptyNode / 2 * freeAfter(n.has.memory, sum(n.taken.memoryGuess, want.memoryGuess)) / point
	if owner != "" {
		free -= perFamilyPod * n.families[owner]
	}
	return free + preference - perPodAtAll*n.pods
}

// freeAfter is the part of a resource that is left, in thousandths.
func freeAfter(has, taken int64) int64 {
	left := max(0, has-taken)
	if left > math.MaxInt64/point {
		return left / (has / point)
	}
	return left * point / max(has, guessedMissing)
}

// preferences scores what pods of a class prefer of nodes by what these are.
// What cannot be read is not preferred.
func preferences(pod *corev1.Pod, nodes []*node) []int64 {
	out := make([]int64, len(nodes))
	avoided := make([]int64, len(nodes))
	terms, err := preferredTerms(pod)
	for i, n := range nodes {
		if terms != nil && err == nil {
			out[i] = terms.Score(n.obj)
		}
		for j := range n.taints {
			t := &n.taints[j]
			if t.Effect == corev1.TaintEffectPreferNoSchedule && !taint.Tolerates(pod.Spec.Tolerations, t) {
				avoided[i]++
			}
		}
	}
	scale(out, preferredNode)
	scale(avoided, avoidedTaint)
	for i := range out {
		out[i] -= avoided[i]
	}
	return out
}

func preferredTerms(pod *corev1.Pod) (*nodeaffinity.PreferredSchedulingTerms, error) {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return nil, nil
	}
	return nodeaffinity.NewPreferredSchedulingTerms(pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
}

// scale stretches values so that the highest is full.
func scale(values []int64, full int64) {
	var highest int64
	for _, v := range values {
		highest = max(highest, v)
	}
	if highest == 0 {
		return
	}
	for i := range values {
		values[i] = values[i] * full / highest
	}
}
