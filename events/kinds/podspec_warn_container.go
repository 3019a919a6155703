package kinds

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// placed is a container with the pod around it.
type placed struct {
	*corev1.Container
	spec *corev1.PodSpec
	init bool
}

// inertContainerFields are those of a container.
var inertContainerFields = []inert[placed]{
	{path: "lifecycle.postStart", set: func(c placed) bool { return c.Lifecycle != nil && c.Lifecycle.PostStart != nil }},
	{path: "lifecycle.preStop", set: func(c placed) bool { return c.Lifecycle != nil && c.Lifecycle.PreStop != nil }},
	{path: "lifecycle.stopSignal", set: func(c placed) bool { return c.Lifecycle != nil && c.Lifecycle.StopSignal != nil }},
	{path: "envFrom", says: notStarted, set: func(c placed) bool { return len(c.EnvFrom) > 0 }},
	{path: "volumeDevices", set: func(c placed) bool { return len(c.VolumeDevices) > 0 }},
	{path: "resizePolicy", set: func(c placed) bool { return len(c.ResizePolicy) > 0 }},
	{path: "restartPolicyRules", set: func(c placed) bool { return len(c.RestartPolicyRules) > 0 }},
	{
		path: "restartPolicy", says: notActedOn + ", the pod's is",
		set: func(c placed) bool { return c.RestartPolicy != nil && !sidecar(c) },
	},
	{path: "terminationMessagePath", set: func(c placed) bool {
		return c.TerminationMessagePath != "" && c.TerminationMessagePath != corev1.TerminationMessagePathDefault
	}},
	{path: "terminationMessagePolicy", set: func(c placed) bool {
		return c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError
	}},
	{path: "resources.claims", set: func(c placed) bool { return len(c.Resources.Claims) > 0 }},
	{path: "resources.limits[ephemeral-storage]", says: notEnforced, set: func(c placed) bool {
		_, limited := c.Resources.Limits[corev1.ResourceEphemeralStorage]
		return limited
	}},
	{path: "securityContext.runAsGroup", says: "not acted on by this version without runAsUser", set: func(c placed) bool {
		user, group := identityOf(c)
		return group != nil && user == nil
	}},
}

// inertContainerSecurity are those of a container's security context.
var inertContainerSecurity = []inert[*corev1.SecurityContext]{
	{path: "seLinuxOptions", set: func(s *corev1.SecurityContext) bool { return s.SELinuxOptions != nil }},
	{path: "windowsOptions", set: func(s *corev1.SecurityContext) bool { return s.WindowsOptions != nil }},
	{path: "procMount", set: func(s *corev1.SecurityContext) bool { return deref(s.ProcMount, "") == corev1.UnmaskedProcMount }},
	{path: "seccompProfile", says: ownProfile, set: func(s *corev1.SecurityContext) bool { return otherSeccomp(s.SeccompProfile) }},
	{path: "appArmorProfile", says: ownProfile, set: func(s *corev1.SecurityContext) bool { return otherAppArmor(s.AppArmorProfile) }},
}

// inertProbeFields are those of a probe.
var inertProbeFields = []inert[*corev1.Probe]{
	{path: "grpc", says: notStarted, set: func(p *corev1.Probe) bool { return p.GRPC != nil }},
	{path: "terminationGracePeriodSeconds", says: notActedOn + ", the pod's is", set: func(p *corev1.Probe) bool {
		return p.TerminationGracePeriodSeconds != nil
	}},
}

// inertMountFields are those of a volume's mount.
var inertMountFields = []inert[*corev1.VolumeMount]{
	{path: "mountPropagation", set: func(m *corev1.VolumeMount) bool {
		return deref(m.MountPropagation, corev1.MountPropagationNone) != corev1.MountPropagationNone
	}},
	{path: "recursiveReadOnly", set: func(m *corev1.VolumeMount) bool {
		return deref(m.RecursiveReadOnly, corev1.RecursiveReadOnlyDisabled) != corev1.RecursiveReadOnlyDisabled
	}},
	{path: "bindMountOptions", set: func(m *corev1.VolumeMount) bool { return len(m.BindMountOptions) > 0 }},
}

// inertValueSources are the sources of a variable that no node can read.
var inertValueSources = []inert[*corev1.EnvVarSource]{
	{path: "configMapKeyRef", says: notStarted, set: func(from *corev1.EnvVarSource) bool { return from.ConfigMapKeyRef != nil }},
	{path: "secretKeyRef", says: notStarted, set: func(from *corev1.EnvVarSource) bool { return from.SecretKeyRef != nil }},
	{path: "fileKeyRef", says: notStarted, set: func(from *corev1.EnvVarSource) bool { return from.FileKeyRef != nil }},
}

// sidecar tells whether it is an init container that keeps running.
func sidecar(c placed) bool {
	return c.init && deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways
}

// identityOf is as whom the container runs: its own word, else the pod's.
func identityOf(c placed) (user, group *int64) {
	if pod := c.spec.SecurityContext; pod != nil {
		user, group = pod.RunAsUser, pod.RunAsGroup
	}
	if own := c.SecurityContext; own != nil {
		user, group = orElse(own.RunAsUser, user), orElse(own.RunAsGroup, group)
	}
	return user, group
}

func orElse[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}

func warnContainer(at *field.Path, spec *corev1.PodSpec, c *corev1.Container, init bool) []string {
	out := report(at, placed{c, spec, init}, inertContainerFields)
	if c.SecurityContext != nil {
		out = append(out, report(at.Child("securityContext"), c.SecurityContext, inertContainerSecurity)...)
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil {
			out = append(out, report(at.Child("env").Index(i).Child("valueFrom"), from, inertValueSources)...)
		}
	}
	for i := range c.VolumeMounts {
		out = append(out, report(at.Child("volumeMounts").Index(i), &c.VolumeMounts[i], inertMountFields)...)
	}
	for _, probe := range []struct {
		name string
		is   *corev1.Probe
	}{{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe}} {
		if probe.is != nil {
			out = append(out, report(at.Child(probe.name), probe.is, inertProbeFields)...)
		}
	}
	return out
}
