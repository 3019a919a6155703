package kinds

import (
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

func leaseKind() *events.Kind {
	return &events.Kind{
		GVK:        coordinationv1.SchemeGroupVersion.WithKind("Lease"),
		Resource:   resourceOf(coordinationv1.SchemeGroupVersion, "leases"),
		Singular:   "lease",
		Namespaced: true,
		Stream:     proto.StreamLeases,

		New:     func() events.Object { return &coordinationv1.Lease{} },
		NewList: func() runtime.Object { return &coordinationv1.LeaseList{} },

		Name:     apivalidation.NameIsDNSSubdomain,
		Validate: check(validateLease),
		Classify: classify(classifyLease),
		Columns: []metav1.TableColumnDefinition{
			nameColumn, text("Holder", coordinationv1.LeaseSpec{}.SwaggerDoc()["holderIdentity"]), ageColumn,
		},
		Row: row(func(lease *coordinationv1.Lease, now time.Time) []any {
			return []any{lease.Name, deref(lease.Spec.HolderIdentity, ""), age(lease.CreationTimestamp, now)}
		}),
	}
}

func validateLease(lease *coordinationv1.Lease) field.ErrorList {
	spec := &lease.Spec
	duration, transitions, holder := spec.LeaseDurationSeconds, spec.LeaseTransitions, spec.HolderIdentity
	strategy := string(deref(spec.Strategy, ""))
	return slices.Concat(
		only(duration != nil && *duration <= 0, field.Invalid(specPath.Child("leaseDurationSeconds"), deref(duration, 0), positive)),
		atLeastZero(specPath.Child("leaseTransitions"), deref(transitions, 0)),
		only(holder != nil && *holder == "", field.Invalid(specPath.Child("holderIdentity"), "", "must not be empty")),
		optional(specPath.Child("strategy"), strategy, validation.IsQualifiedName),
		only(spec.PreferredHolder != nil && strategy == "",
			field.Forbidden(specPath.Child("preferredHolder"), "may only be specified if `strategy` is defined")),
	)
}

func classifyLease(before, after *coordinationv1.Lease, _ proto.Section) (fact, reason string) {
	switch {
	case deref(before.Spec.HolderIdentity, "") != deref(after.Spec.HolderIdentity, ""):
		return string(events.LeaseAcquired), "HolderChanged"
	case !before.Spec.RenewTime.Equal(after.Spec.RenewTime):
		return string(events.LeaseRenewed), "Renewed"
	}
	return "", ""
}
