package kinds

import (
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateNetworkPolicy(policy *networkingv1.NetworkPolicy) field.ErrorList {
	path, spec := field.NewPath("spec"), &policy.Spec
	errs := validateSelector(path.Child("podSelector"), &spec.PodSelector)
	errs = append(errs, each(path.Child("ingress"), spec.Ingress, func(path *field.Path, rule *networkingv1.NetworkPolicyIngressRule) field.ErrorList {
		return append(each(path.Child("ports"), rule.Ports, validatePolicyPort), each(path.Child("from"), rule.From, validatePolicyPeer)...)
	})...)
	errs = append(errs, each(path.Child("egress"), spec.Egress, func(path *field.Path, rule *networkingv1.NetworkPolicyEgressRule) field.ErrorList {
		return append(each(path.Child("ports"), rule.Ports, validatePolicyPort), each(path.Child("to"), rule.To, validatePolicyPeer)...)
	})...)
	types := path.Child("policyTypes")
	allowed := []networkingv1.PolicyType{networkingv1.PolicyTypeEgress, networkingv1.PolicyTypeIngress}
	if len(spec.PolicyTypes) > len(allowed) {
		return append(errs, field.Invalid(types, &spec.PolicyTypes, "may not specify more than two policyTypes"))
	}
	return append(errs, each(types, spec.PolicyTypes, func(path *field.Path, one *networkingv1.PolicyType) field.ErrorList {
		return only(!slices.Contains(allowed, *one), field.NotSupported(path, *one, allowed))
	})...)
}

func validatePolicyPort(path *field.Path, port *networkingv1.NetworkPolicyPort) field.ErrorList {
	var errs field.ErrorList
	if port.Protocol != nil {
		errs = only(!slices.Contains(protocols, *port.Protocol), field.NotSupported(path.Child("protocol"), *port.Protocol, protocols))
	}
	end := path.Child("endPort")
	switch {
	case port.Port == nil:
		return append(errs, only(port.EndPort != nil, field.Invalid(end, deref(port.EndPort, 0), "may not be specified when `port` is not specified"))...)
	case port.Port.Type == intstr.String:
		errs = append(errs, only(port.EndPort != nil, field.Invalid(end, deref(port.EndPort, 0), "may not be specified when `port` is non-numeric"))...)
	case port.EndPort != nil:
		errs = append(errs, only(*port.EndPort < port.Port.IntVal, field.Invalid(end, port.Port.IntVal, "must be greater than or equal to `port`"))...)
		errs = append(errs, portNumber(end, *port.EndPort)...)
	}
	return append(errs, portNumberOrName(path.Child("port"), *port.Port)...)
}

func validatePolicyPeer(path *field.Path, peer *networkingv1.NetworkPolicyPeer) field.ErrorList {
	var errs field.ErrorList
	pods, namespaces, block := peer.PodSelector, peer.NamespaceSelector, peer.IPBlock
	if pods != nil {
		errs = append(errs, validateSelector(path.Child("podSelector"), pods)...)
	}
	if namespaces != nil {
		errs = append(errs, validateSelector(path.Child("namespaceSelector"), namespaces)...)
	}
	if block != nil {
		errs = append(errs, validateIPBlock(path.Child("ipBlock"), block)...)
	}
	errs = append(errs, only(pods == nil && namespaces == nil && block == nil, field.Required(path, "must specify a peer"))...)
	return append(errs, only(block != nil && (pods != nil || namespaces != nil),
		field.Forbidden(path, "may not specify both ipBlock and another peer"))...)
}

func validateIPBlock(path *field.Path, block *networkingv1.IPBlock) field.ErrorList {
	if block.CIDR == "" {
		return required(path.Child("cidr"), block.CIDR)
	}
	errs := validation.IsValidCIDRForLegacyField(path.Child("cidr"), block.CIDR, false, nil)
	if len(errs) > 0 {
		return errs
	}
	return each(path.Child("except"), block.Except, func(path *field.Path, except *string) field.ErrorList {
		if errs := validation.IsValidCIDRForLegacyField(path, *except, false, nil); len(errs) > 0 {
			return errs
		}
		return only(!strictlyInside(*except, block.CIDR), field.Invalid(path, *except, "must be a strict subset of `cidr`"))
	})
}

// strictlyInside leaves forms that only older rules allow alone.
func strictlyInside(inner, outer string) bool {
	in, err := netip.ParsePrefix(inner)
	out, err2 := netip.ParsePrefix(outer)
	if err != nil || err2 != nil {
		return true
	}
	return out.Contains(in.Masked().Addr()) && in.Bits() > out.Bits()
}
