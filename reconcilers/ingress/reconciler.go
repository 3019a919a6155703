package ingress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
	if slices.Equal(reachedAt(before), reachedAt(after)) {
		return nil, nil
	}
	return keysOfAll(view, change)
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
// does.
func (Reconciler) Reconcile(view events.View, key reconcilers.Key, at time.Time) (d reconcilers.Decision, err error) {
	ingress, found, err := events.GetAs[*networkingv1.Ingress](view, key)
	if err != nil || !found {
		return d, err
	}
	classes, err := events.ListAs[*networkingv1.IngressClass](view, events.Query{Resource: reconcilers.IngressClasses})
	if err != nil {
		return d, fmt.Errorf("list the classes of Ingresses: %w", err)
	}
	if !ingressrule.Served(ingress, ingressrule.Classes(classes)) {
		return d, nil
	}
	addresses, err := addresses(view)
	if err != nil {
		return d, err
	}
	if !equality.Semantic.DeepEqual(ingress.Status.LoadBalancer.Ingress, addresses) {
		is := events.Copy(ingress)
		is.Status.LoadBalancer.Ingress = addresses
		d.Do("AddressesChanged", events.Update{Key: key, Subresource: events.SubStatus, Object: is})
	}
	return d, complain(view, ingress, at, &d)
}

// addresses are where Ingresses are reached, each once, in order.
func addresses(view events.View) ([]networkingv1.IngressLoadBalancerIngress, error) {
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	var all []netip.Addr
	for _, node := range nodes {
		all = append(all, reachedAt(node)...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	var out []networkingv1.IngressLoadBalancerIngress
	for _, address := range slices.Compact(all) {
		out = append(out, networkingv1.IngressLoadBalancerIngress{IP: address.String()})
	}
	return out, nil
}

// reachedAt are the addresses at which Ingresses are reached of a Ready node that
// was chosen for that: those that it was asked to serve them at, or else its
// external ones, or else its internal ones.
func reachedAt(node *corev1.Node) []netip.Addr {
	if node == nil || node.DeletionTimestamp != nil || !ingressrule.Reached(node) {
		return nil
	}
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	if !ready {
		return nil
	}
	if asked := usable(strings.Split(node.Annotations[ingressrule.Addresses], ",")...); len(asked) > 0 {
		return asked
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		var texts []string
		for _, a := range node.Status.Addresses {
			if a.Type == kind {
				texts = append(texts, a.Address)
			}
		}
		if of := usable(texts...); len(of) > 0 {
			return of
		}
	}
	return nil
}

// usable are the addresses that clients can be told.
func usable(texts ...string) (out []netip.Addr) {
	for _, text := range texts {
		address, err := netip.ParseAddr(strings.TrimSpace(text))
		if err == nil && address.Zone() == "" && !address.IsUnspecified() {
			out = append(out, address.Unmap())
		}
	}
	return out
}
