// Package taint says what keeps pods off a node. Nodes, taints and tolerations
// come in, answers go out; nothing here changes one or reads a clock. It is one
// file.
package taint

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// Tolerates tells whether one of the tolerations is for the taint.
func Tolerates(tolerations []corev1.Toleration, t *corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(tol corev1.Toleration) bool { return Matches(&tol, t) })
}

// Matches tells whether a toleration is for a taint. An empty effect or, with
// Exists, an empty key is for all.
func Matches(tol *corev1.Toleration, t *corev1.Taint) bool {
	if (tol.Effect != "" && tol.Effect != t.Effect) || (tol.Key != "" && tol.Key != t.Key) {
		return false
	}
	switch tol.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return tol.Key != "" && tol.Value == t.Value
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		asked, err1 := strconv.ParseInt(tol.Value, 10, 64)
		is, err2 := strconv.ParseInt(t.Value, 10, 64)
		if err1 != nil || err2 != nil {
			return false
		}
		return is < asked && tol.Operator == corev1.TolerationOpLt || is > asked && tol.Operator == corev1.TolerationOpGt
	default:
		return false
	}
}

// Ready answers the status of the node's Ready condition: True, False, or Unknown
// when the node has fallen silent. A node that has not said anything yet is not
// ready.
func Ready(node *corev1.Node) corev1.ConditionStatus {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return node.Status.Conditions[i].Status
		}
	}
	return corev1.ConditionFalse
}

// Effective lists the node's taints, with those that its state calls for even
// before they are written down: not ready, not reachable.
func Effective(node *corev1.Node) []corev1.Taint {
	taints := node.Spec.Taints
	add := func(key string) {
		if !slices.ContainsFunc(taints, func(t corev1.Taint) bool {
			return t.Key == key && t.Effect == corev1.TaintEffectNoSchedule
		}) {
			taints = append(slices.Clip(taints), corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	switch Ready(node) {
	case corev1.ConditionTrue:
	case corev1.ConditionUnknown:
		add(corev1.TaintNodeUnreachable)
	default:
		add(corev1.TaintNodeNotReady)
	}
	return taints
}
