package kinds

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateResources checks what a container asks for and is limited to.
func validateResources(path *field.Path, resources *corev1.ResourceRequirements) field.ErrorList {
	limits, requests := path.Child("limits"), path.Child("requests")
	var errs field.ErrorList
	for _, name := range sortedNames(resources.Limits) {
		quantity := resources.Limits[name]
		errs = append(errs, validateContainerResource(limits.Key(string(name)), name)...)
		errs = append(errs, validateQuantity(limits.Key(string(name)), name, quantity)...)
	}
	for _, name := range sortedNames(resources.Requests) {
		quantity := resources.Requests[name]
		errs = append(errs, validateContainerResource(requests.Key(string(name)), name)...)
		errs = append(errs, validateQuantity(requests.Key(string(name)), name, quantity)...)
		errs = append(errs, validateWithinLimit(requests, name, quantity, resources.Limits)...)
	}
	return append(errs, validateHugePages(path, resources)...)
}

func validateWithinLimit(path *field.Path, name corev1.ResourceName, request resource.Quantity, limits corev1.ResourceList) field.ErrorList {
	limit, limited := limits[name]
	switch {
	case limited && request.Cmp(limit) != 0 && !overcommits(name):
		return field.ErrorList{field.Invalid(path, request.String(), fmt.Sprintf("must be equal to %s limit of %s", name, limit.String()))}
	case limited && request.Cmp(limit) > 0:
		return field.ErrorList{field.Invalid(path, request.String(), fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String()))}
	case !limited && !overcommits(name):
		return field.ErrorList{field.Required(path.Key(string(name)), "Limit must be set for non overcommitable resources")}
	}
	return nil
}

func validateHugePages(path *field.Path, resources *corev1.ResourceRequirements) field.ErrorList {
	huge, other := false, false
	for _, list := range []corev1.ResourceList{resources.Limits, resources.Requests} {
		for name := range list {
			huge = huge || isHugePage(name)
			other = other || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		}
	}
	return only(huge && !other, field.Forbidden(path, "HugePages require cpu or memory"))
}

// validateContainerResource checks the name of something a container uses.
func validateContainerResource(path *field.Path, name corev1.ResourceName) field.ErrorList {
	if errs := validateResourceName(path, name); len(errs) > 0 {
		return errs
	}
	standard := isStandardResource(name) || isHugePage(name) || strings.Contains(string(name), "/")
	return only(!standard, field.Invalid(path, name, "must be a standard resource for containers"))
}

func validateResourceName(path *field.Path, name corev1.ResourceName) field.ErrorList {
	errs := invalid(path, name, validation.IsQualifiedName(string(name)))
	if len(errs) > 0 {
		return errs
	}
	known := strings.Contains(string(name), "/") || isStandardResource(name) || isHugePage(name) || name == corev1.ResourcePods
	return only(!known, field.Invalid(path, name, "must be a standard resource type or fully qualified"))
}

func validateQuantity(path *field.Path, name corev1.ResourceName, quantity resource.Quantity) field.ErrorList {
	errs := only(quantity.Sign() < 0, field.Invalid(path, quantity.String(), notNegative))
	whole := quantity.MilliValue()%1000 == 0
	return append(errs, only(countsWhole(name) && !whole, field.Invalid(path, quantity.String(), "must be an integer"))...)
}

func isStandardResource(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourceStorage:
		return true
	default:
		return false
	}
}

func isHugePage(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// isExtended tells resources that Kubernetes itself does not define.
func isExtended(name corev1.ResourceName) bool {
	domain, _, qualified := strings.Cut(string(name), "/")
	return qualified && domain != "kubernetes.io" && !strings.HasSuffix(domain, ".kubernetes.io")
}

// overcommits tells whether more of a resource may be limited to than is asked for.
func overcommits(name corev1.ResourceName) bool { return !isExtended(name) && !isHugePage(name) }

func countsWhole(name corev1.ResourceName) bool {
	return isExtended(name) || name == corev1.ResourcePods
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
