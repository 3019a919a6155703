package kinds

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The fields ipFamilyPolicy, ipFamilies and clusterIPs of a Service say one thing
// together. What they may say by themselves is validated; what a Service leaves
// open is filled in, and compared with what the cluster has, when it is admitted.

var (
	policyPath   = specPath.Child("ipFamilyPolicy")
	familiesPath = specPath.Child("ipFamilies")
	ipsPath      = specPath.Child("clusterIPs")
)

// mostFamilies is how many families there are.
const mostFamilies = 2

func validateFamilies(spec *corev1.ServiceSpec) field.ErrorList {
	errs := oneOfOrEmpty(policyPath, deref(spec.IPFamilyPolicy, ""),
		corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack, corev1.IPFamilyPolicySingleStack)
	for i, family := range spec.IPFamilies[:min(len(spec.IPFamilies), mostFamilies+1)] {
		errs = append(errs, oneOf(familiesPath.Index(i), family, corev1.IPv4Protocol, corev1.IPv6Protocol)...)
		errs = append(errs, only(slices.Contains(spec.IPFamilies[:i], family), field.Duplicate(familiesPath.Index(i), family))...)
	}
	return errs
}

func validateClusterIPs(spec *corev1.ServiceSpec) field.ErrorList {
	ips := spec.ClusterIPs
	if !takesTraffic(spec) || len(ips) == 0 {
		return nil
	}
	if len(ips) > mostFamilies {
		return field.ErrorList{field.Invalid(ipsPath, ips, "may only hold up to 2 values")}
	}
	errs := only(ips[0] != spec.ClusterIP, field.Invalid(ipsPath, ips, "first value must match `clusterIP`"))
	if headless(spec) {
		return append(errs, only(len(ips) > 1, field.Invalid(ipsPath, ips, "'None' must be the first and only value"))...)
	}
	var malformed field.ErrorList
	for i, ip := range ips {
		malformed = append(malformed, validation.IsValidIP(ipsPath.Index(i), ip)...) // one way to write each: allocation compares texts
	}
	if len(malformed) > 0 {
		return append(errs, malformed...)
	}
	if len(ips) > 1 && familyOfIP(ips[0]) == familyOfIP(ips[1]) {
		errs = append(errs, field.Invalid(ipsPath, ips, "may specify no more than one IP for each IP family, i.e 192.168.0.1 and 2001:db8::"))
	}
	for i, ip := range ips[:min(len(ips), len(spec.IPFamilies))] {
		errs = append(errs, only(familyOfIP(ip) != spec.IPFamilies[i], field.Invalid(ipsPath.Index(i), ip,
			fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%d]`", spec.IPFamilies[i], i)))...)
	}
	return errs
}

// familyOfIP is the family of an address that is well-formed.
func familyOfIP(ip string) corev1.IPFamily {
	address, _ := netip.ParseAddr(ip)
	return familyOf(address)
}

// headless tells Services whose clients see the endpoints themselves.
func headless(spec *corev1.ServiceSpec) bool {
	return spec.ClusterIP == corev1.ClusterIPNone || len(spec.ClusterIPs) > 0 && spec.ClusterIPs[0] == corev1.ClusterIPNone
}

// validateFamiliesKept: a second family may come and go, the first one stays.
func validateFamiliesKept(spec, old *corev1.ServiceSpec) (errs field.ErrorList) {
	if !takesTraffic(spec) || !takesTraffic(old) {
		return nil
	}
	const detail = "may not change once set"
	for i := range min(len(spec.ClusterIPs), len(old.ClusterIPs)) {
		errs = append(errs, only(spec.ClusterIPs[i] != old.ClusterIPs[i], field.Invalid(ipsPath.Index(i), spec.ClusterIPs, detail))...)
	}
	if headless(spec) && len(spec.Selector) == 0 { // the families are those of whoever keeps the endpoints
		return errs
	}
	for i := range min(len(spec.IPFamilies), len(old.IPFamilies)) {
		errs = append(errs, only(spec.IPFamilies[i] != old.IPFamilies[i], field.Invalid(familiesPath.Index(i), spec.IPFamilies, detail))...)
	}
	return errs
}

// completeFamilies fills in what a Service leaves open, and refuses what the
// cluster does not have.
func (r ServiceRanges) completeFamilies(spec, old *corev1.ServiceSpec) field.ErrorList {
	if !takesTraffic(spec) || sameDualWish(spec, old) {
		return nil
	}
	choosePolicy(spec, old)
	errs := append(reduceFamilies(spec, old), manyOfOne(spec)...)
	errs = append(errs, r.inferFamilies(spec)...)
	if len(errs) > 0 {
		return errs
	}
	wantsTwo := *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack
	free := headless(spec) && len(spec.Selector) == 0 // it names addresses that somebody else keeps
	if !free {
		if errs := r.configured(spec); len(errs) > 0 {
			return errs
		}
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = []corev1.IPFamily{familyOf(r.Networks[0].Addr())}
	}
	if wantsTwo && len(spec.IPFamilies) == 1 && (free || len(r.Networks) == mostFamilies) {
		spec.IPFamilies = append(spec.IPFamilies, otherFamily(spec.IPFamilies[0]))
	}
	return nil
}

// sameDualWish tells a Service that would take two families and goes on with what
// it has: it gets no second one without somebody's asking.
func sameDualWish(spec, old *corev1.ServiceSpec) bool {
	prefers := func(s *corev1.ServiceSpec) bool {
		return deref(s.IPFamilyPolicy, "") == corev1.IPFamilyPolicyPreferDualStack
	}
	return old != nil && takesTraffic(old) && prefers(spec) && prefers(old) && len(spec.IPFamilies) > 0 &&
		slices.Equal(spec.IPFamilies, old.IPFamilies) && slices.Equal(spec.ClusterIPs, old.ClusterIPs)
}

func choosePolicy(spec, old *corev1.ServiceSpec) {
	switch {
	case spec.IPFamilyPolicy != nil:
	case old != nil && old.IPFamilyPolicy != nil && takesTraffic(old):
		fillPointer(&spec.IPFamilyPolicy, *old.IPFamilyPolicy)
	case headless(spec) && len(spec.Selector) == 0:
		fillPointer(&spec.IPFamilyPolicy, corev1.IPFamilyPolicyRequireDualStack)
	default:
		fillPointer(&spec.IPFamilyPolicy, corev1.IPFamilyPolicySingleStack)
	}
}

// reduceFamilies gives up the second family of a Service that wants only one from
// now on, and refuses to drop it by leaving it out.
func reduceFamilies(spec, old *corev1.ServiceSpec) (errs field.ErrorList) {
	if old == nil || !takesTraffic(old) {
		return nil
	}
	if *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack {
		if len(spec.ClusterIPs) > 1 && slices.Equal(spec.ClusterIPs, old.ClusterIPs) {
			spec.ClusterIPs = spec.ClusterIPs[:1]
		}
		if len(spec.IPFamilies) > 1 && slices.Equal(spec.IPFamilies, old.IPFamilies) {
			spec.IPFamilies = spec.IPFamilies[:1]
		}
		return nil
	}
	if len(spec.ClusterIPs) > 0 && len(spec.ClusterIPs) < len(old.ClusterIPs) {
		errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP"))
	}
	if len(spec.IPFamilies) > 0 && len(spec.IPFamilies) < len(old.IPFamilies) {
		errs = append(errs, field.Invalid(policyPath, *spec.IPFamilyPolicy, "must be 'SingleStack' to release the secondary IP family"))
	}
	return errs
}

// manyOfOne refuses two of what only one is wanted of.
func manyOfOne(spec *corev1.ServiceSpec) field.ErrorList {
	if *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack {
		return nil
	}
	const detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple %s are specified"
	return slices.Concat(
		only(len(spec.ClusterIPs) > 1, field.Invalid(policyPath, *spec.IPFamilyPolicy, fmt.Sprintf(detail, "cluster IPs"))),
		only(len(spec.IPFamilies) > 1, field.Invalid(policyPath, *spec.IPFamilyPolicy, fmt.Sprintf(detail, "IP families"))),
	)
}

// inferFamilies reads families off the addresses that were asked for.
func (r ServiceRanges) inferFamilies(spec *corev1.ServiceSpec) (errs field.ErrorList) {
	if headless(spec) {
		return nil
	}
	for i := len(spec.IPFamilies); i < len(spec.ClusterIPs); i++ {
		family := familyOfIP(spec.ClusterIPs[i])
		if _, found := r.network(family); !found {
			errs = append(errs, field.Invalid(ipsPath.Index(i), spec.ClusterIPs, fmt.Sprintf("%s is not configured on this cluster", family)))
			continue
		}
		spec.IPFamilies = append(spec.IPFamilies, family)
	}
	return errs
}

// configured refuses families that the cluster does not have.
func (r ServiceRanges) configured(spec *corev1.ServiceSpec) field.ErrorList {
	errs := only(*spec.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack && len(r.Networks) < mostFamilies,
		field.Invalid(policyPath, *spec.IPFamilyPolicy, "this cluster is not configured for dual-stack services"))
	for i, family := range spec.IPFamilies {
		_, found := r.network(family)
		errs = append(errs, only(!found, field.Invalid(familiesPath.Index(i), family, "not configured on this cluster"))...)
	}
	return errs
}
