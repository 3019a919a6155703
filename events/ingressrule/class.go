package ingressrule

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/events"
	"segno/events/kinds"
)

// Label is that of the nodes that an administrator chose to run ingress: its value
// is "true". No node can give it to itself. They are told of certificates.
const Label = events.Restricted + "ingress"

// Condition is that of a node that runs ingress: True while it is reached. It is
// the node's own word, and good for nothing without the label.
const Condition corev1.NodeConditionType = "Ingress"

// Addresses is the annotation that lists, with commas, the addresses at which a
// node was asked to serve Ingresses; without it they are the node's own.
const Addresses = "ingress.segno.io/addresses"

// Redirect is the annotation by which an Ingress asks, with "true", that plain
// requests are sent to HTTPS.
const Redirect = "ingress.segno.io/ssl-redirect"

// The reasons of Condition for a node that is reached, though not at all its ports:
// clients of the others may meet another program there.
const (
	HTTPNotOpen      = "HTTPNotOpen"      // all for HTTPS are
	HTTPSNotOpen     = "HTTPSNotOpen"     // all for HTTP are
	SomePortsNotOpen = "SomePortsNotOpen" // of several addresses, of neither kind all
)

// Chosen tells whether a node is to run ingress.
func Chosen(node *corev1.Node) bool { return node.Labels[Label] == "true" }

// Reached tells whether a node is to run ingress, and says that it is reached at
// the ports that an Ingress needs: for HTTPS if it has certificates, else for HTTP.
func Reached(node *corev1.Node, secure bool) bool {
	return Chosen(node) && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == Condition && c.Status == corev1.ConditionTrue && open(c.Reason, secure)
	})
}

func open(reason string, secure bool) bool {
	switch reason {
	case SomePortsNotOpen:
		return false
	case HTTPNotOpen:
		return secure
	case HTTPSNotOpen:
		return !secure
	}
	return true
}

// Secure tells whether an Ingress is for clients that come by HTTPS.
func Secure(ingress *networkingv1.Ingress) bool { return len(ingress.Spec.TLS) > 0 }

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
