package kinds

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var specPath = field.NewPath("spec")

func validatePod(pod *corev1.Pod) field.ErrorList {
	spec := &pod.Spec
	return slices.Concat(
		validatePodSpec(specPath, spec),
		only(len(spec.EphemeralContainers) > 0, field.Forbidden(specPath.Child("ephemeralContainers"), "cannot be set on create")),
		only(spec.NodeName != "" && len(spec.SchedulingGates) > 0,
			field.Forbidden(specPath.Child("nodeName"), "cannot be set until all schedulingGates have been cleared")),
	)
}

// What an update of a pod may change, as Kubernetes words it.
const podMayChange = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
	"`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

func validatePodUpdate(pod, old *corev1.Pod) field.ErrorList {
	errs := slices.Concat(
		validatePodSpec(specPath, &pod.Spec),
		validateDeadlineUpdate(specPath.Child("activeDeadlineSeconds"), pod.Spec.ActiveDeadlineSeconds, old.Spec.ActiveDeadlineSeconds),
		validateGatesUpdate(specPath.Child("schedulingGates"), pod.Spec.SchedulingGates, old.Spec.SchedulingGates),
		validateTolerationsUpdate(specPath.Child("tolerations"), pod.Spec.Tolerations, old.Spec.Tolerations),
		only(len(pod.Spec.Containers) != len(old.Spec.Containers),
			field.Forbidden(specPath.Child("containers"), "pod updates may not add or remove containers")),
		only(len(pod.Spec.InitContainers) != len(old.Spec.InitContainers),
			field.Forbidden(specPath.Child("initContainers"), "pod updates may not add or remove containers")),
	)
	if len(errs) > 0 {
		return errs
	}
	asked := withoutMutable(&pod.Spec, &old.Spec)
	if equality.Semantic.DeepEqual(*asked, old.Spec) {
		return nil
	}
	return field.ErrorList{field.Forbidden(specPath, fmt.Sprintf("%s\n%v", podMayChange, diff.Diff(old.Spec, *asked)))}
}

// withoutMutable is the spec with what an update may change set back to old:
// what still differs then is not allowed.
func withoutMutable(spec, old *corev1.PodSpec) *corev1.PodSpec {
	asked := spec.DeepCopy()
	for i := range asked.Containers {
		asked.Containers[i].Image = old.Containers[i].Image
	}
	for i := range asked.InitContainers {
		asked.InitContainers[i].Image = old.InitContainers[i].Image
	}
	asked.ActiveDeadlineSeconds = old.ActiveDeadlineSeconds
	asked.Tolerations = old.Tolerations
	asked.SchedulingGates = old.SchedulingGates
	if deref(old.TerminationGracePeriodSeconds, 0) < 0 && deref(asked.TerminationGracePeriodSeconds, 0) == 1 {
		asked.TerminationGracePeriodSeconds = old.TerminationGracePeriodSeconds
	}
	if len(old.SchedulingGates) > 0 { // a gated pod may still narrow where it may run
		asked.NodeSelector = old.NodeSelector
		asked.Affinity = old.Affinity
	}
	return asked
}

func validateDeadlineUpdate(path *field.Path, now, before *int64) field.ErrorList {
	switch {
	case before == nil:
		return nil
	case now == nil:
		return field.ErrorList{field.Invalid(path, now, "must not update from a positive integer to nil value")}
	case *now > *before:
		return field.ErrorList{field.Invalid(path, *now, "must be less than or equal to previous value")}
	}
	return nil
}

func validateGatesUpdate(path *field.Path, now, before []corev1.PodSchedulingGate) field.ErrorList {
	return each(path, now, func(path *field.Path, gate *corev1.PodSchedulingGate) field.ErrorList {
		return only(!slices.Contains(before, *gate),
			field.Forbidden(path.Child("name"), fmt.Sprintf("only deletion is allowed, but found new scheduling gate '%s'", gate.Name)))
	})
}

func validateTolerationsUpdate(path *field.Path, now, before []corev1.Toleration) field.ErrorList {
	for i := range before {
		kept := slices.ContainsFunc(now, func(t corev1.Toleration) bool {
			t.TolerationSeconds = before[i].TolerationSeconds
			return equality.Semantic.DeepEqual(t, before[i])
		})
		if !kept {
			return field.ErrorList{field.Forbidden(path, "existing toleration can not be modified except its tolerationSeconds")}
		}
	}
	return nil
}

// validatePodStatus checks what a node says of a pod.
func validatePodStatus(pod, old *corev1.Pod) field.ErrorList {
	path := field.NewPath("status")
	status := &pod.Status
	errs := slices.Concat(
		only(pod.Spec.NodeName != old.Spec.NodeName, field.Forbidden(path.Child("nodeName"), "may not be changed directly")),
		optional(path.Child("nominatedNodeName"), status.NominatedNodeName, dnsSubdomain),
		only(status.QOSClass != old.Status.QOSClass && old.Status.QOSClass != "",
			field.Invalid(path.Child("qosClass"), status.QOSClass, immutable)),
		validateTransitions(path.Child("containerStatuses"), status.ContainerStatuses, old.Status.ContainerStatuses, old.Spec.RestartPolicy),
		validateInitTransitions(path.Child("initContainerStatuses"), pod, old),
		each(path.Child("conditions"), status.Conditions, func(path *field.Path, c *corev1.PodCondition) field.ErrorList {
			return append(required(path.Child("type"), string(c.Type)),
				oneOf(path.Child("status"), c.Status, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown)...)
		}),
	)
	return append(errs, validatePodIPs(path, status)...)
}

func validatePodIPs(path *field.Path, status *corev1.PodStatus) field.ErrorList {
	errs := each(path.Child("podIPs"), status.PodIPs, func(path *field.Path, ip *corev1.PodIP) field.ErrorList {
		return validation.IsValidIPForLegacyField(path, ip.IP, false, nil)
	})
	if len(errs) == 0 && len(status.PodIPs) > 0 {
		errs = only(status.PodIP != status.PodIPs[0].IP, field.Invalid(path.Child("podIPs").Index(0), status.PodIPs[0].IP, "must be equal to `podIP`"))
	}
	return errs
}

// validateTransitions reports a container that ran its course and is said to
// run again although its pod's policy forbids it.
func validateTransitions(path *field.Path, now, before []corev1.ContainerStatus, policy corev1.RestartPolicy) field.ErrorList {
	if policy == corev1.RestartPolicyAlways {
		return nil
	}
	var errs field.ErrorList
	for i := range now {
		j := slices.IndexFunc(before, func(s corev1.ContainerStatus) bool { return s.Name == now[i].Name })
		if j < 0 || before[j].State.Terminated == nil || now[i].State.Terminated != nil {
			continue
		}
		failed := before[j].State.Terminated.ExitCode != 0
		if policy == corev1.RestartPolicyOnFailure && failed {
			continue
		}
		errs = append(errs, field.Forbidden(path.Index(i).Child("state"), "may not be transitioned to non-terminated state"))
	}
	return errs
}

// validateInitTransitions leaves sidecars out: they restart whatever the pod's
// policy says, and pods whose sandbox was made anew run their init containers again.
func validateInitTransitions(path *field.Path, pod, old *corev1.Pod) field.ErrorList {
	if old.Spec.RestartPolicy != corev1.RestartPolicyNever {
		return nil
	}
	once := func(list []corev1.ContainerStatus) []corev1.ContainerStatus {
		return slices.DeleteFunc(slices.Clone(list), func(s corev1.ContainerStatus) bool {
			i := slices.IndexFunc(old.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == s.Name })
			return i >= 0 && deref(old.Spec.InitContainers[i].RestartPolicy, "") == corev1.ContainerRestartPolicyAlways
		})
	}
	return validateTransitions(path, once(pod.Status.InitContainerStatuses), once(old.Status.InitContainerStatuses), corev1.RestartPolicyOnFailure)
}
