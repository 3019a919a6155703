package nodelife

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
	"segno/reconcilers"
)

// anyReady tells whether any node of the cluster is ready.
func anyReady(view events.View) (bool, error) {
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return false, fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes {
		if taint.Ready(node) == corev1.ConditionTrue {
			return true, nil
		}
	}
	return false, nil
}

// Held counts the pods that would be evicted because their node is not ready, and
// stay because no node at all is.
func Held(view events.View, at time.Time) (held int, err error) {
	if anyone, err := anyReady(view); anyone || err != nil {
		return 0, err
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return 0, fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range nodes {
		pods, err := podsOn(view, node.Name)
		if err != nil {
			return 0, err
		}
		taints := driving(node)
		for _, pod := range pods {
			if podstate.Active(pod) && heldBack(pod, taints, at) {
				held++
			}
		}
	}
	return held, nil
}

// heldBack tells whether a pod has tolerated its node's silence as long as it does.
func heldBack(pod *corev1.Pod, taints []*corev1.Taint, at time.Time) bool {
	due, cause := firstDue(pod, taints)
	return cause != nil && !at.Before(due) && forSilence(cause)
}

// forSilence tells whether a taint says that the node is not ready, or not heard.
func forSilence(t *corev1.Taint) bool {
	return t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable
}
