package ingress

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"segno/events"
	"segno/events/ingressrule"
	"segno/reconcilers"
)

// settle is how long changes of nodes are gathered: each may concern all Ingresses.
const settle = 100 * time.Millisecond

// Reconciler implements reconcilers.Reconciler. Its keys are Ingresses.
type Reconciler struct{}

var _ reconcilers.Reconciler = Reconciler{}

// New makes the reconciler.
func New() Reconciler { return Reconciler{} }

// Name is "ingress".
func (Reconciler) Name() string { return "ingress" }

// Watches says what matters: Ingresses and their classes, where the nodes that were
// chosen to run ingress are reached, and what Ingresses name.
func (Reconciler) Watches() []reconcilers.Watch {
	return []reconcilers.Watch{
		{Resource: reconcilers.Ingresses},
		{Resource: reconcilers.IngressClasses, Keys: keysOfAll},
		{Resource: reconcilers.Nodes, Keys: keysOfNode, Settle: settle},
		{Resource: reconcilers.Services, Keys: keysOfService, Settle: settle},
		{Resource: reconcilers.Secrets, Keys: keysOfSecret},
	}
}

func keysOfAll(view events.View, _ *reconcilers.Change) ([]reconcilers.Key, error) {
	return keysOf(view, "", func(*networkingv1.Ingress) bool { return true })
}

// keysOfNode leads from a node to all Ingresses when it is reached elsewhere.
func keysOfNode(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Node](change)
	if change.Gone() {
		after = nil
	}
	for _, secure := range []bool{false, true} {
		if !slices.Equal(reachedAt(before, secure), reachedAt(after, secure)) {
			return keysOfAll(view, change)
		}
	}
	return nil, nil
}

// keysOfService leads from a Service to the Ingresses that name it, when it comes,
// goes or has other ports.
func keysOfService(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	before, after := reconcilers.Both[*corev1.Service](change)
	if before != nil && after != nil && !change.Gone() && before.Spec.Type == after.Spec.Type && equality.Semantic.DeepEqual(before.Spec.Ports, after.Spec.Ports) {
		return nil, nil
	}
	return keysOf(view, change.Key.Namespace, func(i *networkingv1.Ingress) bool {
		return slices.ContainsFunc(ingressrule.Backends(i), func(b *networkingv1.IngressBackend) bool {
			return b.Service != nil && b.Service.Name == change.Key.Name
		})
	})
}

func keysOfSecret(view events.View, change *reconcilers.Change) ([]reconcilers.Key, error) {
	return keysOf(view, change.Key.Namespace, func(i *networkingv1.Ingress) bool {
		return slices.Contains(ingressrule.Secrets(i), change.Key.Name)
	})
}

func keysOf(view events.View, namespace string, which func(*networkingv1.Ingress) bool) ([]reconcilers.Key, error) {
	all, err := events.ListAs[*networkingv1.Ingress](view, events.Query{Resource: reconcilers.Ingresses, Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list the Ingresses: %w", err)
	}
	var keys []reconcilers.Key
	for _, i := range all {
		if which(i) {
			keys = append(keys, reconcilers.Ingresses.Key(i.Namespace, i.Name))
		}
	}
	return keys, nil
}

// Reconcile looks at an Ingress. One that nodes do not serve is left to whoever
// does; its author is told if that can be nobody.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	ingress, found, err := events.GetAs[*networkingv1.Ingress](view, key)
	if err != nil || !found {
		return d, err
	}
	classes, err := events.ListAs[*networkingv1.IngressClass](view, events.Query{Resource: reconcilers.IngressClasses})
	if err != nil {
		return d, fmt.Errorf("list the classes of Ingresses: %w", err)
	}
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return d, fmt.Errorf("list the nodes: %w", err)
	}
	if !ingressrule.Served(ingress, ingressrule.Classes(classes)) {
		if ours(ingress.Status.LoadBalancer.Ingress, nodes) {
			tell(&d, ingress, "AddressesReleased", nil)
		}
		return d, complain(view, at, &d, classNotes(ingress, classes))
	}
	if is := addresses(nodes, ingressrule.Secure(ingress)); !equality.Semantic.DeepEqual(ingress.Status.LoadBalancer.Ingress, is) {
		tell(&d, ingress, "AddressesChanged", is)
	}
	notes, err := servedNotes(view, ingress, at, &d)
	if err != nil {
		return d, err
	}
	return d, complain(view, at, &d, notes)
}

// tell writes where an Ingress is reached.
func tell(d *reconcilers.Decision, ingress *networkingv1.Ingress, reason string, addresses []networkingv1.IngressLoadBalancerIngress) {
	told := events.Copy(ingress)
	told.Status.LoadBalancer.Ingress = addresses
	key := reconcilers.Ingresses.Key(told.Namespace, told.Name)
	d.Do(reason, events.Update{Key: key, Subresource: events.SubStatus, Object: told})
}
