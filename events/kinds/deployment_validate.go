package kinds

import (
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateDeployment(deployment *appsv1.Deployment) field.ErrorList {
	spec := &deployment.Spec
	deadline := specPath.Child("progressDeadlineSeconds")
	return slices.Concat(
		atLeastZero(specPath.Child("replicas"), deref(spec.Replicas, 1)),
		validateWorkloadSelector(specPath, spec.Selector, &spec.Template, "deployment"),
		validatePodTemplate(specPath.Child("template"), &spec.Template),
		validateStrategy(specPath.Child("strategy"), &spec.Strategy),
		atLeastZero(specPath.Child("minReadySeconds"), spec.MinReadySeconds),
		atLeastZero(specPath.Child("revisionHistoryLimit"), deref(spec.RevisionHistoryLimit, defaultRevisions)),
		atLeastZero(deadline, deref(spec.ProgressDeadlineSeconds, defaultProgressDeadline)),
		only(deref(spec.ProgressDeadlineSeconds, defaultProgressDeadline) <= spec.MinReadySeconds,
			field.Invalid(deadline, deref(spec.ProgressDeadlineSeconds, defaultProgressDeadline), "must be greater than minReadySeconds")),
	)
}

func validateDeploymentUpdate(deployment, old *appsv1.Deployment) field.ErrorList {
	return append(validateDeployment(deployment),
		unchanged(specPath.Child("selector"), deployment.Spec.Selector, old.Spec.Selector)...)
}

func validateStrategy(path *field.Path, strategy *appsv1.DeploymentStrategy) field.ErrorList {
	rolling := path.Child("rollingUpdate")
	switch strategy.Type {
	case appsv1.RecreateDeploymentStrategyType:
		return only(strategy.RollingUpdate != nil,
			field.Forbidden(rolling, "may not be specified when strategy `type` is '"+string(appsv1.RecreateDeploymentStrategyType)+"'"))
	case appsv1.RollingUpdateDeploymentStrategyType:
		if strategy.RollingUpdate == nil {
			return field.ErrorList{field.Required(rolling, "this should be defaulted and never be nil")}
		}
		return validateRollingUpdate(rolling, strategy.RollingUpdate)
	default:
		return oneOf(path, strategy.Type, appsv1.RecreateDeploymentStrategyType, appsv1.RollingUpdateDeploymentStrategyType)
	}
}

func validateRollingUpdate(path *field.Path, rolling *appsv1.RollingUpdateDeployment) field.ErrorList {
	unavailable, surge := deref(rolling.MaxUnavailable, intstr.IntOrString{}), deref(rolling.MaxSurge, intstr.IntOrString{})
	return slices.Concat(
		intOrPercent(path.Child("maxUnavailable"), unavailable),
		intOrPercent(path.Child("maxSurge"), surge),
		only(isZero(unavailable) && isZero(surge),
			field.Invalid(path.Child("maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0")),
		atMostAll(path.Child("maxUnavailable"), unavailable),
	)
}

// intOrPercent checks a number or a share of the replicas.
func intOrPercent(path *field.Path, value intstr.IntOrString) field.ErrorList {
	if value.Type == intstr.Int {
		return atLeastZero(path, value.IntVal)
	}
	return invalid(path, value, validation.IsValidPercent(value.StrVal))
}

func percent(value intstr.IntOrString) (int, bool) {
	if value.Type != intstr.String || len(validation.IsValidPercent(value.StrVal)) > 0 {
		return 0, false
	}
	n, err := strconv.Atoi(value.StrVal[:len(value.StrVal)-1])
	return n, err == nil
}

func isZero(value intstr.IntOrString) bool {
	if n, ok := percent(value); ok {
		return n == 0
	}
	return value.Type == intstr.Int && value.IntVal == 0
}

func atMostAll(path *field.Path, value intstr.IntOrString) field.ErrorList {
	n, ok := percent(value)
	return only(ok && n > 100, field.Invalid(path, value, "must not be greater than 100%"))
}

func validateDeploymentStatus(deployment, _ *appsv1.Deployment) field.ErrorList {
	path, status := field.NewPath("status"), &deployment.Status
	return slices.Concat(
		validateCounts(path, counts{
			replicas: status.Replicas, ready: status.ReadyReplicas, available: status.AvailableReplicas,
			part: status.UpdatedReplicas, partName: "updatedReplicas", observed: status.ObservedGeneration,
		}),
		atLeastZero(path.Child("unavailableReplicas"), status.UnavailableReplicas),
		atLeastZero(path.Child("collisionCount"), deref(status.CollisionCount, 0)),
	)
}

// counts are what Deployments and ReplicaSets count of their pods.
type counts struct {
	replicas, ready, available int32
	part                       int32 // updated or fully labeled ones
	partName                   string
	observed                   int64
}

func validateCounts(path *field.Path, c counts) field.ErrorList {
	const tooMany = "cannot be greater than status.replicas"
	return slices.Concat(
		atLeastZero(path.Child("replicas"), c.replicas),
		atLeastZero(path.Child(c.partName), c.part),
		atLeastZero(path.Child("readyReplicas"), c.ready),
		atLeastZero(path.Child("availableReplicas"), c.available),
		atLeastZero(path.Child("observedGeneration"), c.observed),
		only(c.part > c.replicas, field.Invalid(path.Child(c.partName), c.part, tooMany)),
		only(c.ready > c.replicas, field.Invalid(path.Child("readyReplicas"), c.ready, tooMany)),
		only(c.available > c.replicas, field.Invalid(path.Child("availableReplicas"), c.available, tooMany)),
		only(c.available > c.ready, field.Invalid(path.Child("availableReplicas"), c.available, "cannot be greater than readyReplicas")),
	)
}
