package kinds

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateAffinity checks the shapes of node and pod (anti-)affinity.
func validateAffinity(path *field.Path, affinity *corev1.Affinity) field.ErrorList {
	if affinity == nil {
		return nil
	}
	var errs field.ErrorList
	if node := affinity.NodeAffinity; node != nil {
		at := path.Child("nodeAffinity")
		if node.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			errs = append(errs, validateNodeSelector(at.Child("requiredDuringSchedulingIgnoredDuringExecution"),
				node.RequiredDuringSchedulingIgnoredDuringExecution)...)
		}
		errs = append(errs, each(at.Child("preferredDuringSchedulingIgnoredDuringExecution"),
			node.PreferredDuringSchedulingIgnoredDuringExecution, validatePreferredNode)...)
	}
	if pods := affinity.PodAffinity; pods != nil {
		errs = append(errs, validatePodTerms(path.Child("podAffinity"),
			pods.RequiredDuringSchedulingIgnoredDuringExecution, pods.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}
	if pods := affinity.PodAntiAffinity; pods != nil {
		errs = append(errs, validatePodTerms(path.Child("podAntiAffinity"),
			pods.RequiredDuringSchedulingIgnoredDuringExecution, pods.PreferredDuringSchedulingIgnoredDuringExecution)...)
	}
	return errs
}

func validateNodeSelector(path *field.Path, selector *corev1.NodeSelector) field.ErrorList {
	terms := path.Child("nodeSelectorTerms")
	if len(selector.NodeSelectorTerms) == 0 {
		return field.ErrorList{field.Required(terms, "must have at least one node selector term")}
	}
	return each(terms, selector.NodeSelectorTerms, validateNodeTerm)
}

func validatePreferredNode(path *field.Path, term *corev1.PreferredSchedulingTerm) field.ErrorList {
	return append(validateWeight(path.Child("weight"), term.Weight), validateNodeTerm(path.Child("preference"), &term.Preference)...)
}

func validateWeight(path *field.Path, weight int32) field.ErrorList {
	return only(weight <= 0 || weight > 100, field.Invalid(path, weight, "must be in the range 1-100"))
}

func validateNodeTerm(path *field.Path, term *corev1.NodeSelectorTerm) field.ErrorList {
	return append(each(path.Child("matchExpressions"), term.MatchExpressions, validateNodeRequirement),
		each(path.Child("matchFields"), term.MatchFields, validateNodeField)...)
}

func validateNodeRequirement(path *field.Path, r *corev1.NodeSelectorRequirement) field.ErrorList {
	values := path.Child("values")
	var errs field.ErrorList
	switch r.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		errs = only(len(r.Values) == 0, field.Required(values, "must be specified when `operator` is 'In' or 'NotIn'"))
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
		errs = only(len(r.Values) > 0, field.Forbidden(values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		errs = validateBound(values, r.Values)
	default:
		errs = field.ErrorList{field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator")}
	}
	return append(errs, metavalidation.ValidateLabelName(r.Key, path.Child("key"))...)
}

func validateBound(path *field.Path, values []string) field.ErrorList {
	if len(values) != 1 {
		return field.ErrorList{field.Required(path, "must be specified single value when `operator` is 'Lt' or 'Gt'")}
	}
	_, err := strconv.ParseInt(values[0], 10, 64)
	return only(err != nil, field.Invalid(path.Index(0), values[0], "must be an integer"))
}

func validateNodeField(path *field.Path, r *corev1.NodeSelectorRequirement) field.ErrorList {
	var errs field.ErrorList
	switch r.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		errs = only(len(r.Values) != 1, field.Required(path.Child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
	default:
		errs = field.ErrorList{field.Invalid(path.Child("operator"), r.Operator, "not a valid selector operator")}
	}
	if r.Key != "metadata.name" {
		return append(errs, field.Invalid(path.Child("key"), r.Key, "not a valid field selector key"))
	}
	for i, value := range r.Values {
		errs = append(errs, invalid(path.Child("values").Index(i), value, dnsSubdomain(value))...)
	}
	return errs
}

func validatePodTerms(path *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) field.ErrorList {
	return append(each(path.Child("requiredDuringSchedulingIgnoredDuringExecution"), required, validatePodTerm),
		each(path.Child("preferredDuringSchedulingIgnoredDuringExecution"), preferred,
			func(path *field.Path, term *corev1.WeightedPodAffinityTerm) field.ErrorList {
				return append(validateWeight(path.Child("weight"), term.Weight), validatePodTerm(path.Child("podAffinityTerm"), &term.PodAffinityTerm)...)
			})...)
}

func validatePodTerm(path *field.Path, term *corev1.PodAffinityTerm) field.ErrorList {
	errs := slices.Concat(
		validateSelector(path.Child("labelSelector"), term.LabelSelector),
		validateSelector(path.Child("namespaceSelector"), term.NamespaceSelector),
	)
	for i, namespace := range term.Namespaces {
		errs = append(errs, invalid(path.Child("namespaces").Index(i), namespace, dnsLabel(namespace))...)
	}
	return append(errs, topologyKey(path.Child("topologyKey"), term.TopologyKey)...)
}
