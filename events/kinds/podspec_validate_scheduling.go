package kinds

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateScheduling checks what says where a pod may run.
func validateScheduling(path *field.Path, spec *corev1.PodSpec) field.ErrorList {
	gates := sets.New[string]()
	return slices.Concat(
		validateAffinity(path.Child("affinity"), spec.Affinity),
		each(path.Child("tolerations"), spec.Tolerations, validateToleration),
		validateSpread(path.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints),
		each(path.Child("readinessGates"), spec.ReadinessGates, func(path *field.Path, gate *corev1.PodReadinessGate) field.ErrorList {
			return invalid(path.Child("conditionType"), string(gate.ConditionType), validation.IsQualifiedName(string(gate.ConditionType)))
		}),
		each(path.Child("schedulingGates"), spec.SchedulingGates, func(path *field.Path, gate *corev1.PodSchedulingGate) field.ErrorList {
			return append(invalid(path, gate.Name, validation.IsQualifiedName(gate.Name)), unique(path, gate.Name, gates)...)
		}),
		oneOfOrEmpty(path.Child("preemptionPolicy"), deref(spec.PreemptionPolicy, ""), corev1.PreemptLowerPriority, corev1.PreemptNever),
	)
}

func validateToleration(path *field.Path, t *corev1.Toleration) field.ErrorList {
	var errs field.ErrorList
	if t.Key != "" {
		errs = append(errs, metavalidation.ValidateLabelName(t.Key, path.Child("key"))...)
	}
	errs = append(errs, only(t.Key == "" && t.Operator != corev1.TolerationOpExists, field.Invalid(path.Child("operator"), t.Operator,
		"operator must be Exists when `key` is empty, which means \"match all values and all keys\""))...)
	errs = append(errs, only(t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute, field.Invalid(path.Child("effect"), t.Effect,
		"effect must be 'NoExecute' when `tolerationSeconds` is set"))...)
	switch t.Operator {
	case "", corev1.TolerationOpEqual:
		errs = append(errs, invalid(path.Child("operator"), t.Value, validation.IsValidLabelValue(t.Value))...)
	case corev1.TolerationOpExists:
		errs = append(errs, only(t.Value != "", field.Invalid(path.Child("operator"), *t, "value must be empty when `operator` is 'Exists'"))...)
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		_, err := strconv.ParseInt(t.Value, 10, 64)
		errs = append(errs, only(err != nil, field.Invalid(path.Child("value"), t.Value, "must be an integer"))...)
	default:
		errs = append(errs, field.NotSupported(path.Child("operator"), t.Operator, []corev1.TolerationOperator{corev1.TolerationOpEqual, corev1.TolerationOpExists}))
	}
	return append(errs, oneOfOrEmpty(path.Child("effect"), t.Effect, taintEffects...)...)
}

func validateSpread(path *field.Path, constraints []corev1.TopologySpreadConstraint) field.ErrorList {
	seen := sets.New[string]()
	return each(path, constraints, func(path *field.Path, c *corev1.TopologySpreadConstraint) field.ErrorList {
		pair := fmt.Sprintf("{%v, %v}", c.TopologyKey, c.WhenUnsatisfiable)
		return slices.Concat(
			only(c.MaxSkew <= 0, field.Invalid(path.Child("maxSkew"), c.MaxSkew, "must be greater than zero")),
			topologyKey(path.Child("topologyKey"), c.TopologyKey),
			oneOf(path.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, corev1.DoNotSchedule, corev1.ScheduleAnyway),
			unique(path.Child("{topologyKey, whenUnsatisfiable}"), pair, seen),
			validateMinDomains(path.Child("minDomains"), c),
			oneOfOrEmpty(path.Child("nodeAffinityPolicy"), deref(c.NodeAffinityPolicy, ""), corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore),
			oneOfOrEmpty(path.Child("nodeTaintsPolicy"), deref(c.NodeTaintsPolicy, ""), corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore),
			validateSelector(path.Child("labelSelector"), c.LabelSelector),
		)
	})
}

func validateMinDomains(path *field.Path, c *corev1.TopologySpreadConstraint) field.ErrorList {
	if c.MinDomains == nil {
		return nil
	}
	return slices.Concat(
		only(*c.MinDomains <= 0, field.Invalid(path, *c.MinDomains, "must be greater than zero")),
		only(c.WhenUnsatisfiable != corev1.DoNotSchedule, field.Invalid(path, *c.MinDomains,
			fmt.Sprintf("can only use minDomains if whenUnsatisfiable=%s, not %s", corev1.DoNotSchedule, c.WhenUnsatisfiable))),
	)
}

func topologyKey(path *field.Path, key string) field.ErrorList {
	if key == "" {
		return field.ErrorList{field.Required(path, "can not be empty")}
	}
	return metavalidation.ValidateLabelName(key, path)
}
