package ingress

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"segno/events/ingressrule"
)

// addresses are where Ingresses are reached, by HTTPS or else by HTTP, each once,
// in order.
func addresses(nodes []*corev1.Node, secure bool) []networkingv1.IngressLoadBalancerIngress {
	var all []netip.Addr
	for _, node := range nodes {
		all = append(all, reachedAt(node, secure)...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	var out []networkingv1.IngressLoadBalancerIngress
	for _, address := range slices.Compact(all) {
		out = append(out, networkingv1.IngressLoadBalancerIngress{IP: address.String()})
	}
	return out
}

// reachedAt are the addresses at which Ingresses are reached of a Ready node that
// was chosen for that, with the ports for them open.
func reachedAt(node *corev1.Node, secure bool) []netip.Addr {
	if node == nil || node.DeletionTimestamp != nil || !ingressrule.Reached(node, secure) {
		return nil
	}
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	if !ready {
		return nil
	}
	return chosenAddresses(node)
}

// chosenAddresses of a node are those that it was asked to serve Ingresses at, or
// else its external ones, or else its internal ones.
func chosenAddresses(node *corev1.Node) []netip.Addr {
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

// ours tells whether addresses are such as are written here: bare ones, all of
// nodes that were chosen to run ingress. What another controller wrote stays.
func ours(told []networkingv1.IngressLoadBalancerIngress, nodes []*corev1.Node) bool {
	if len(told) == 0 {
		return false
	}
	var all []netip.Addr
	for _, node := range nodes {
		if ingressrule.Chosen(node) {
			all = append(all, chosenAddresses(node)...)
		}
	}
	return !slices.ContainsFunc(told, func(at networkingv1.IngressLoadBalancerIngress) bool {
		address, err := netip.ParseAddr(at.IP)
		return err != nil || at.Hostname != "" || len(at.Ports) > 0 || !slices.Contains(all, address.Unmap())
	})
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
