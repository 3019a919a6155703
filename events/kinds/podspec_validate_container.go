package kinds

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// onlySidecars is said of what an init container may have only when it keeps
// running beside the others.
const onlySidecars = "may not be set for init containers without restartPolicy=Always"

// validateContainers checks all containers of a pod: names and host ports are
// unique over all of them.
func validateContainers(path *field.Path, spec *corev1.PodSpec, volumes sets.Set[string]) field.ErrorList {
	var errs field.ErrorList
	list := path.Child("containers")
	if len(spec.Containers) == 0 {
		errs = append(errs, field.Required(list, ""))
	}
	names := sets.New[string]()
	for i := range spec.Containers {
		errs = append(errs, unique(list.Index(i).Child("name"), spec.Containers[i].Name, names)...)
		errs = append(errs, validateContainer(list.Index(i), &spec.Containers[i], spec, volumes)...)
		errs = append(errs, validateRunning(list.Index(i), &spec.Containers[i], spec)...)
	}
	errs = append(errs, validateHostPorts(list, spec.Containers)...)
	list = path.Child("initContainers")
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		errs = append(errs, unique(list.Index(i).Child("name"), c.Name, names)...)
		errs = append(errs, validateContainer(list.Index(i), c, spec, volumes)...)
		errs = append(errs, validateInit(list.Index(i), c, spec)...)
	}
	list = path.Child("ephemeralContainers")
	for i := range spec.EphemeralContainers {
		errs = append(errs, validateEphemeral(list.Index(i), &spec.EphemeralContainers[i], spec, names, volumes)...)
	}
	return errs
}

// validateContainer checks what holds for containers of every sort.
func validateContainer(path *field.Path, c *corev1.Container, spec *corev1.PodSpec, volumes sets.Set[string]) field.ErrorList {
	return slices.Concat(
		named(path.Child("name"), c.Name, dnsLabel),
		validateImage(path.Child("image"), c.Image),
		oneOf(path.Child("terminationMessagePolicy"), c.TerminationMessagePolicy,
			corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError),
		oneOf(path.Child("imagePullPolicy"), c.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever),
		validatePorts(path.Child("ports"), c.Ports, spec.HostNetwork),
		each(path.Child("env"), c.Env, validateEnv),
		each(path.Child("envFrom"), c.EnvFrom, validateEnvFrom),
		validateMounts(path, c, volumes),
		validateResources(path.Child("resources"), &c.Resources),
		each(path.Child("resizePolicy"), c.ResizePolicy, validateResizePolicy),
		validateContainerSecurity(path.Child("securityContext"), c.SecurityContext),
	)
}

func validateImage(path *field.Path, image string) field.ErrorList {
	if image == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return only(strings.TrimSpace(image) != image, field.Invalid(path, image, "must not have leading or trailing whitespace"))
}

// validateRunning checks what only containers that keep running may have.
func validateRunning(path *field.Path, c *corev1.Container, spec *corev1.PodSpec) field.ErrorList {
	grace := deref(spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	return slices.Concat(
		validateLifecycle(path.Child("lifecycle"), c.Lifecycle, grace),
		validateProbes(path, c),
		validateContainerRestart(path.Child("restartPolicy"), c.RestartPolicy),
	)
}

// validateContainerRestart checks a policy that a container may have instead
// of the pod's.
func validateContainerRestart(path *field.Path, policy *corev1.ContainerRestartPolicy) field.ErrorList {
	if policy == nil {
		return nil
	}
	return oneOf(path, *policy, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure)
}

// validateInit checks an init container: one that restarts (a sidecar) may
// have what running containers have.
func validateInit(path *field.Path, c *corev1.Container, spec *corev1.PodSpec) field.ErrorList {
	if deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways {
		return validateRunning(path, c, spec)
	}
	return slices.Concat(
		validateContainerRestart(path.Child("restartPolicy"), c.RestartPolicy),
		only(c.Lifecycle != nil, field.Forbidden(path.Child("lifecycle"), onlySidecars)),
		only(c.LivenessProbe != nil, field.Forbidden(path.Child("livenessProbe"), onlySidecars)),
		only(c.ReadinessProbe != nil, field.Forbidden(path.Child("readinessProbe"), onlySidecars)),
		only(c.StartupProbe != nil, field.Forbidden(path.Child("startupProbe"), onlySidecars)),
	)
}

func validateEphemeral(path *field.Path, e *corev1.EphemeralContainer, spec *corev1.PodSpec, names, volumes sets.Set[string]) field.ErrorList {
	c := (*corev1.Container)(&e.EphemeralContainerCommon)
	const forbidden = "cannot be set for an Ephemeral Container"
	target := e.TargetContainerName
	return slices.Concat(
		unique(path.Child("name"), c.Name, names),
		validateContainer(path, c, spec, volumes),
		only(target != "" && !hasContainer(spec, target), field.NotFound(path.Child("targetContainerName"), target)),
		only(len(c.Ports) > 0, field.Forbidden(path.Child("ports"), forbidden)),
		only(c.Lifecycle != nil, field.Forbidden(path.Child("lifecycle"), forbidden)),
		only(c.LivenessProbe != nil, field.Forbidden(path.Child("livenessProbe"), forbidden)),
		only(c.ReadinessProbe != nil, field.Forbidden(path.Child("readinessProbe"), forbidden)),
		only(c.StartupProbe != nil, field.Forbidden(path.Child("startupProbe"), forbidden)),
		only(len(c.Resources.Limits)+len(c.Resources.Requests) > 0, field.Forbidden(path.Child("resources"), forbidden)),
	)
}

func hasContainer(spec *corev1.PodSpec, name string) bool {
	is := func(c corev1.Container) bool { return c.Name == name }
	return slices.ContainsFunc(spec.Containers, is) || slices.ContainsFunc(spec.InitContainers, is)
}

func validateResizePolicy(path *field.Path, policy *corev1.ContainerResizePolicy) field.ErrorList {
	return slices.Concat(
		oneOf(path, policy.ResourceName, corev1.ResourceCPU, corev1.ResourceMemory),
		oneOf(path, policy.RestartPolicy, corev1.NotRequired, corev1.RestartContainer),
	)
}

func validateContainerSecurity(path *field.Path, security *corev1.SecurityContext) field.ErrorList {
	if security == nil {
		return nil
	}
	escalates := deref(security.AllowPrivilegeEscalation, true)
	const conflict = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
	errs := slices.Concat(
		validateID(path.Child("runAsUser"), security.RunAsUser, validation.IsValidUserID),
		validateID(path.Child("runAsGroup"), security.RunAsGroup, validation.IsValidGroupID),
		oneOfOrEmpty(path.Child("procMount"), deref(security.ProcMount, ""), corev1.DefaultProcMount, corev1.UnmaskedProcMount),
		validateSeccomp(path.Child("seccompProfile"), security.SeccompProfile),
		only(!escalates && deref(security.Privileged, false), field.Invalid(path, security, conflict)),
	)
	if security.Capabilities != nil && !escalates {
		admin := slices.Contains(security.Capabilities.Add, "CAP_SYS_ADMIN")
		errs = append(errs, only(admin, field.Invalid(path, security, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))...)
	}
	return errs
}
