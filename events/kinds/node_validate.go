package kinds

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var taintEffects = []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}

func validateNode(node *corev1.Node) field.ErrorList {
	return slices.Concat(
		validateTaints(specPath.Child("taints"), node.Spec.Taints),
		validatePodCIDRs(specPath, &node.Spec),
		validateNodeResources(node),
	)
}

func validateTaints(path *field.Path, taints []corev1.Taint) field.ErrorList {
	seen := sets.New[string]()
	return each(path, taints, func(path *field.Path, taint *corev1.Taint) field.ErrorList {
		errs := slices.Concat(
			metavalidation.ValidateLabelName(taint.Key, path.Child("key")),
			invalid(path.Child("value"), taint.Value, validation.IsValidLabelValue(taint.Value)),
			oneOf(path.Child("effect"), taint.Effect, taintEffects...),
		)
		pair := taint.Key + ":" + string(taint.Effect)
		if seen.Has(pair) {
			twice := field.Duplicate(path, *taint)
			twice.Detail = "taints must be unique by key and effect pair"
			errs = append(errs, twice)
		}
		seen.Insert(pair)
		return errs
	})
}

func validatePodCIDRs(path *field.Path, spec *corev1.NodeSpec) field.ErrorList {
	list := path.Child("podCIDRs")
	var errs field.ErrorList
	for i, cidr := range spec.PodCIDRs {
		errs = append(errs, validation.IsValidCIDRForLegacyField(list.Index(i), cidr, false, nil)...)
	}
	first := len(spec.PodCIDRs) > 0 && spec.PodCIDRs[0] != spec.PodCIDR
	errs = append(errs, only(first, field.Invalid(list.Index(0), spec.PodCIDRs, "must match `podCIDR`"))...)
	return append(errs, only(len(spec.PodCIDRs) > 2,
		field.Invalid(list, spec.PodCIDRs, "may specify no more than one CIDR for each IP family"))...)
}

func validateNodeResources(node *corev1.Node) field.ErrorList {
	var errs field.ErrorList
	quantities := func(path *field.Path, list corev1.ResourceList) {
		for _, name := range sortedNames(list) {
			errs = append(errs, validateQuantity(path.Child(string(name)), name, list[name])...)
		}
	}
	quantities(field.NewPath("status", "capacity"), node.Status.Capacity)
	quantities(field.NewPath("status", "allocatable"), node.Status.Allocatable)
	return errs
}

func validateNodeUpdate(node, old *corev1.Node) field.ErrorList {
	changed := func(now, before string) bool { return before != "" && now != before }
	moved := len(old.Spec.PodCIDRs) > 0 && !slices.Equal(node.Spec.PodCIDRs, old.Spec.PodCIDRs)
	return slices.Concat(
		validateNode(node),
		only(moved, field.Forbidden(specPath.Child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid")),
		only(changed(node.Spec.ProviderID, old.Spec.ProviderID),
			field.Forbidden(specPath.Child("providerID"), "node updates may not change providerID except from \"\" to valid")),
		validateAddresses(node),
	)
}

func validateAddresses(node *corev1.Node) field.ErrorList {
	seen := sets.New[corev1.NodeAddress]()
	return each(field.NewPath("status", "addresses"), node.Status.Addresses, func(path *field.Path, address *corev1.NodeAddress) field.ErrorList {
		return unique(path, *address, seen)
	})
}

func validateNodeStatus(node, old *corev1.Node) field.ErrorList {
	return slices.Concat(
		only(!equality.Semantic.DeepEqual(node.Spec.PodCIDRs, old.Spec.PodCIDRs) && len(old.Spec.PodCIDRs) > 0,
			field.Forbidden(specPath.Child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid")),
		validateAddresses(node),
		validateNodeResources(node),
		each(field.NewPath("status", "conditions"), node.Status.Conditions, func(path *field.Path, c *corev1.NodeCondition) field.ErrorList {
			return append(required(path.Child("type"), string(c.Type)),
				oneOf(path.Child("status"), c.Status, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown)...)
		}),
	)
}
