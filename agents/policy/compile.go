package policy

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// protocols of IP that policies know.
var protocols = map[corev1.Protocol]uint8{corev1.ProtocolTCP: 6, corev1.ProtocolUDP: 17, corev1.ProtocolSCTP: 132}

// compiled is a policy, read.
type compiled struct {
	name     types.NamespacedName
	selector labels.Selector
	isolates [2]bool
	rules    [2][]rule
}

// selects says whether a policy is about a pod of its namespace; none is about
// nobody.
func (c *compiled) selects(pod *Pod) bool {
	return c != nil && c.selector.Matches(labels.Set(pod.Labels))
}

// rule allows each of its peers each of its ports.
type rule struct {
	anyPeer bool
	peers   []peer
	anyPort bool
	ports   []port
}

// peer is pods, or a block of addresses.
type peer struct {
	pods   *podSet
	ranges []Range
}

// port is a range of them, or a name that each pod has for one.
type port struct {
	protocol uint8
	from, to uint16
	name     string
}

// compile reads a policy. What makes no sense in it allows nothing, and is named
// by the error; a policy of which it is unclear whom it selects is not compiled.
func compile(policy *networkingv1.NetworkPolicy) (*compiled, error) {
	c := &compiled{name: types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}}
	var err error
	if c.selector, err = metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector); err != nil {
		return nil, fmt.Errorf("podSelector: %w", err)
	}
	c.isolates[Ingress] = slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
	c.isolates[Egress] = slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	var flaws []error
	add := func(d Direction, at int, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
		r, err := compileRule(policy.Namespace, peers, ports)
		if err != nil {
			flaws = append(flaws, fmt.Errorf("%s[%d]: %w", d, at, err))
		}
		c.rules[d] = append(c.rules[d], r)
	}
	for i, r := range policy.Spec.Ingress {
		add(Ingress, i, r.From, r.Ports)
	}
	for i, r := range policy.Spec.Egress {
		add(Egress, i, r.To, r.Ports)
	}
	return c, errors.Join(flaws...)
}

func compileRule(namespace string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (rule, error) {
	r := rule{anyPeer: len(peers) == 0, anyPort: len(ports) == 0}
	var flaws []error
	for i := range peers {
		p, err := compilePeer(namespace, &peers[i])
		if err != nil {
			flaws = append(flaws, err)
			continue
		}
		r.peers = append(r.peers, p)
	}
	for i := range ports {
		p, err := compilePort(&ports[i])
		if err != nil {
			flaws = append(flaws, err)
			continue
		}
		r.ports = append(r.ports, p)
	}
	return r, errors.Join(flaws...)
}

func compilePeer(namespace string, of *networkingv1.NetworkPolicyPeer) (peer, error) {
	if of.IPBlock != nil {
		ranges, err := rangesOf(of.IPBlock)
		return peer{ranges: ranges}, err
	}
	if of.PodSelector == nil && of.NamespaceSelector == nil {
		return peer{}, errors.New("a peer must be pods, namespaces or an ipBlock")
	}
	s := &podSet{namespace: namespace, pods: labels.Everything()}
	var err error
	if of.PodSelector != nil {
		if s.pods, err = metav1.LabelSelectorAsSelector(of.PodSelector); err != nil {
			return peer{}, fmt.Errorf("podSelector: %w", err)
		}
	}
	if of.NamespaceSelector != nil {
		s.namespace = ""
		if s.namespaces, err = metav1.LabelSelectorAsSelector(of.NamespaceSelector); err != nil {
			return peer{}, fmt.Errorf("namespaceSelector: %w", err)
		}
	}
	return peer{pods: s.named()}, nil
}

func compilePort(of *networkingv1.NetworkPolicyPort) (port, error) {
	name := corev1.ProtocolTCP
	if of.Protocol != nil {
		name = *of.Protocol
	}
	p := port{protocol: protocols[name]}
	if p.protocol == 0 {
		return p, fmt.Errorf("protocol %q is none of TCP, UDP and SCTP", name)
	}
	if of.Port == nil {
		return p, nil
	}
	if of.Port.Type == intstr.String {
		p.name = of.Port.StrVal
		if p.name == "" {
			return p, errors.New("a port has an empty name")
		}
		return p, nil
	}
	first, last := of.Port.IntVal, of.Port.IntVal
	if of.EndPort != nil {
		last = *of.EndPort
	}
	if first < 1 || last < first || last > 65535 {
		return p, fmt.Errorf("ports %d to %d are none", first, last)
	}
	p.from, p.to = uint16(first), uint16(last)
	return p, nil
}
