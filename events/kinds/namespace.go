package kinds

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

func namespaceKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("Namespace"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "namespaces"),
		Singular:   "namespace",
		ShortNames: []string{"ns"},
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.Namespace{} },
		NewList: func() runtime.Object { return &corev1.NamespaceList{} },

		HasStatus:    true,
		Subresources: []string{"finalize"},

		Name:          apivalidation.NameIsDNSLabel,
		Default:       one(defaultNamespace),
		PrepareCreate: one(prepareNamespace),
		PrepareUpdate: two(prepareNamespaceUpdate),
		Validate:      check(validateNamespace),
		ValidateUpdate: compare(func(namespace, old *corev1.Namespace) field.ErrorList {
			return append(validateNamespace(namespace), fixedServiceNetwork(namespace, old)...)
		}),
		ValidateStatus: compare(validateNamespaceStatus),
		Classify:       classify(classifyNamespace),
		Fields: selectable(func(namespace *corev1.Namespace) fields.Set {
			return fields.Set{"status.phase": string(namespace.Status.Phase)}
		}),
		FieldNames: []string{"status.phase"},
		Columns:    []metav1.TableColumnDefinition{nameColumn, text("Status", "The status of the namespace"), ageColumn},
		Row: row(func(namespace *corev1.Namespace, now time.Time) []any {
			return []any{namespace.Name, string(namespace.Status.Phase), age(namespace.CreationTimestamp, now)}
		}),
	}
}

// defaultNamespace labels the namespace with its own name, so that selectors
// over namespaces can choose one.
func defaultNamespace(namespace *corev1.Namespace) {
	if namespace.Name == "" { // generateName is not completed yet
		return
	}
	if namespace.Labels == nil {
		namespace.Labels = map[string]string{}
	}
	namespace.Labels[corev1.LabelMetadataName] = namespace.Name
}

// prepareNamespace adds the finalizer that holds a namespace until it is empty.
func prepareNamespace(namespace *corev1.Namespace) {
	namespace.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	if !slices.Contains(namespace.Spec.Finalizers, corev1.FinalizerKubernetes) {
		namespace.Spec.Finalizers = append(namespace.Spec.Finalizers, corev1.FinalizerKubernetes)
	}
}

// prepareNamespaceUpdate leaves finalizers to the finalize subresource.
func prepareNamespaceUpdate(namespace, old *corev1.Namespace) {
	namespace.Spec.Finalizers = old.Spec.Finalizers
	namespace.Status = old.Status
	keepServiceRanges(namespace, old)
}

func validateNamespace(namespace *corev1.Namespace) field.ErrorList {
	errs := validateServiceRanges(namespace)
	for i, name := range namespace.Spec.Finalizers {
		path := specPath.Child("finalizers").Index(i)
		errs = append(errs, invalid(path, name, validation.IsQualifiedName(string(name)))...)
		bare := !slices.Contains([]byte(name), '/') && name != corev1.FinalizerKubernetes
		errs = append(errs, only(bare, field.Invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"))...)
	}
	return errs
}

func validateNamespaceStatus(namespace, _ *corev1.Namespace) field.ErrorList {
	phase, path := namespace.Status.Phase, field.NewPath("status", "Phase")
	if namespace.DeletionTimestamp != nil {
		return only(phase != corev1.NamespaceTerminating, field.Invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"))
	}
	return only(phase != corev1.NamespaceActive, field.Invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty"))
}

// classifyNamespace names an ending namespace by its status: the spec section
// of the same transaction says that the deletion was asked for.
func classifyNamespace(before, after *corev1.Namespace, section proto.Section) (fact, reason string) {
	if section == proto.SectionStatus {
		if before.Status.Phase != after.Status.Phase && after.Status.Phase == corev1.NamespaceTerminating {
			return string(events.NamespaceTerminating), "DeletionRequested"
		}
		return "", ""
	}
	if len(before.Spec.Finalizers) > 0 && len(after.Spec.Finalizers) == 0 {
		return string(events.NamespaceFinalized), "Empty"
	}
	return "", ""
}
