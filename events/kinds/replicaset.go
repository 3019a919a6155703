package kinds

import (
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/events"
	"segno/proto"
)

func replicaSetKind() *events.Kind {
	return &events.Kind{
		GVK:        appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Resource:   resourceOf(appsv1.SchemeGroupVersion, "replicasets"),
		Singular:   "replicaset",
		ShortNames: []string{"rs"},
		Categories: []string{"all"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &appsv1.ReplicaSet{} },
		NewList: func() runtime.Object { return &appsv1.ReplicaSetList{} },

		HasStatus:    true,
		Subresources: []string{"scale"},

		Name:           apivalidation.NameIsDNSSubdomain,
		Default:        one(defaultReplicaSet),
		PrepareCreate:  one(prepareReplicaSet),
		PrepareUpdate:  two(prepareReplicaSetUpdate),
		Validate:       check(validateReplicaSet),
		ValidateUpdate: compare(validateReplicaSetUpdate),
		ValidateStatus: compare(validateReplicaSetStatus),
		Warn: warn(func(obj, old *appsv1.ReplicaSet) []string {
			if old == nil {
				return warnPodTemplate(&obj.Spec.Template, nil)
			}
			return warnPodTemplate(&obj.Spec.Template, &old.Spec.Template)
		}),
		Classify: classify(classifyReplicaSet),
		Fields: selectable(func(set *appsv1.ReplicaSet) fields.Set {
			return fields.Set{"status.replicas": strconv.Itoa(int(set.Status.Replicas))}
		}),
		FieldNames: []string{"status.replicas"},
		Columns: slices.Concat([]metav1.TableColumnDefinition{
			nameColumn,
			number("Desired", appsv1.ReplicaSetSpec{}.SwaggerDoc()["replicas"]),
			number("Current", appsv1.ReplicaSetStatus{}.SwaggerDoc()["replicas"]),
			number("Ready", appsv1.ReplicaSetStatus{}.SwaggerDoc()["readyReplicas"]),
			ageColumn,
		}, workloadColumns(appsv1.ReplicaSetSpec{}.SwaggerDoc()["selector"])),
		Row: row(replicaSetRow),
	}
}

func defaultReplicaSet(set *appsv1.ReplicaSet) {
	defaultPodTemplate(&set.Spec.Template)
	fillPointer(&set.Spec.Replicas, 1)
}

func prepareReplicaSet(set *appsv1.ReplicaSet) {
	set.Generation = 1
	set.Status = appsv1.ReplicaSetStatus{}
}

func prepareReplicaSetUpdate(set, old *appsv1.ReplicaSet) {
	set.Status = old.Status
	raiseGeneration(set, old, !equality.Semantic.DeepEqual(set.Spec, old.Spec))
}

func validateReplicaSet(set *appsv1.ReplicaSet) field.ErrorList {
	spec := &set.Spec
	return slices.Concat(
		atLeastZero(specPath.Child("replicas"), deref(spec.Replicas, 1)),
		atLeastZero(specPath.Child("minReadySeconds"), spec.MinReadySeconds),
		validateWorkloadSelector(specPath, spec.Selector, &spec.Template, "replicaset"),
		validatePodTemplate(specPath.Child("template"), &spec.Template),
	)
}

func validateReplicaSetUpdate(set, old *appsv1.ReplicaSet) field.ErrorList {
	return append(validateReplicaSet(set), unchanged(specPath.Child("selector"), set.Spec.Selector, old.Spec.Selector)...)
}

func validateReplicaSetStatus(set, _ *appsv1.ReplicaSet) field.ErrorList {
	status := &set.Status
	return validateCounts(field.NewPath("status"), counts{
		replicas: status.Replicas, ready: status.ReadyReplicas, available: status.AvailableReplicas,
		part: status.FullyLabeledReplicas, partName: "fullyLabeledReplicas", observed: status.ObservedGeneration,
	})
}

func classifyReplicaSet(before, after *appsv1.ReplicaSet, section proto.Section) (fact, reason string) {
	was, is := deref(before.Spec.Replicas, 1), deref(after.Spec.Replicas, 1)
	if section == proto.SectionSpec && was != is {
		return string(events.ReplicaSetScaled), scaleReason(was, is)
	}
	return "", ""
}

// scaleReason says which way a number of replicas went.
func scaleReason(was, is int32) string {
	if is < was {
		return "ScaledDown"
	}
	return "ScaledUp"
}

func replicaSetRow(set *appsv1.ReplicaSet, now time.Time) []any {
	return append([]any{
		set.Name, int64(deref(set.Spec.Replicas, 1)), int64(set.Status.Replicas), int64(set.Status.ReadyReplicas),
		age(set.CreationTimestamp, now),
	}, workloadCells(&set.Spec.Template, set.Spec.Selector)...)
}
