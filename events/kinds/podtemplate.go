package kinds

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultPodTemplate fills in what a template of pods gets; the rest is filled
// in when a pod is made from it.
func defaultPodTemplate(template *corev1.PodTemplateSpec) { defaultPodSpec(&template.Spec) }

// validatePodTemplate checks a template whose pods restart their containers.
func validatePodTemplate(path *field.Path, template *corev1.PodTemplateSpec) field.ErrorList {
	spec := path.Child("spec")
	errs := slices.Concat(
		validateLabels(path.Child("labels"), template.Labels),
		apivalidation.ValidateAnnotations(template.Annotations, path.Child("annotations")),
		validatePodSpec(spec, &template.Spec),
		only(len(template.Spec.EphemeralContainers) > 0,
			field.Forbidden(spec.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template")),
	)
	policy := template.Spec.RestartPolicy
	if policy == corev1.RestartPolicyOnFailure || policy == corev1.RestartPolicyNever {
		errs = append(errs, field.NotSupported(spec.Child("restartPolicy"), policy, []corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	return append(errs, only(template.Spec.ActiveDeadlineSeconds != nil,
		field.Forbidden(spec.Child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported"))...)
}

// validateWorkloadSelector checks the selector of what makes pods from a
// template: it may not be empty and must select those pods.
func validateWorkloadSelector(path *field.Path, selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, kind string) field.ErrorList {
	at := path.Child("selector")
	if selector == nil {
		return field.ErrorList{field.Required(at, "")}
	}
	errs := validateSelector(at, selector)
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return append(errs, field.Invalid(at, selector, "empty selector is invalid for "+kind))
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return append(errs, field.Invalid(at, selector, "invalid label selector"))
	}
	return append(errs, only(!parsed.Matches(labels.Set(template.Labels)), field.Invalid(path.Child("template").Child("metadata").Child("labels"),
		template.Labels, "`selector` does not match template `labels`"))...)
}

// onlyImagesDiffer tells whether two templates are one but for their images.
func onlyImagesDiffer(before, after *corev1.PodTemplateSpec) bool {
	if len(before.Spec.Containers) != len(after.Spec.Containers) || len(before.Spec.InitContainers) != len(after.Spec.InitContainers) {
		return false
	}
	same := after.DeepCopy()
	for i := range same.Spec.Containers {
		same.Spec.Containers[i].Image = before.Spec.Containers[i].Image
	}
	for i := range same.Spec.InitContainers {
		same.Spec.InitContainers[i].Image = before.Spec.InitContainers[i].Image
	}
	return equality.Semantic.DeepEqual(before, same)
}

// workloadColumns are the wide columns of everything that makes pods.
func workloadColumns(selector string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		wide("Containers", "Names of each container in the template."),
		wide("Images", "Images referenced by each container in the template."),
		wide("Selector", selector),
	}
}

func workloadCells(template *corev1.PodTemplateSpec, selector *metav1.LabelSelector) []any {
	var names, images []string
	for i := range template.Spec.Containers {
		names = append(names, template.Spec.Containers[i].Name)
		images = append(images, template.Spec.Containers[i].Image)
	}
	return []any{strings.Join(names, ","), strings.Join(images, ","), metav1.FormatLabelSelector(selector)}
}

// ratio shows how many of how many.
func ratio(part, whole int32) string { return fmt.Sprintf("%d/%d", part, whole) }
