package ingressrule

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/events/kinds"
)

// Condition is that of a node that runs ingress: True while it is reached. A node
// without it runs none.
const Condition corev1.NodeConditionType = "Ingress"

// Redirect is the annotation by which an Ingress asks, with "true", that plain
// requests are sent to HTTPS.
const Redirect = "ingress.segno.io/ssl-redirect"

// Runs tells whether a node runs ingress, and whether it is reached there now.
func Runs(node *corev1.Node) (runs, reached bool) {
	at := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == Condition })
	if at < 0 {
		return false, false
	}
	return true, node.Status.Conditions[at].Status == corev1.ConditionTrue
}

// Ours tells whether nodes serve the Ingresses of a class.
func Ours(class *networkingv1.IngressClass) bool {
	return class.Spec.Controller == kinds.IngressController
}

// Classes are the names of those that nodes serve.
func Classes(all []*networkingv1.IngressClass) map[string]bool {
	names := map[string]bool{}
	for _, class := range all {
		if Ours(class) {
			names[class.Name] = true
		}
	}
	return names
}

// Served tells whether nodes serve an Ingress: its class, by name or by the
// annotation of before, is one of theirs. One that is on its way out is not.
func Served(ingress *networkingv1.Ingress, classes map[string]bool) bool {
	class := kinds.IngressClassOf(ingress)
	return class != "" && classes[class] && ingress.DeletionTimestamp == nil
}
