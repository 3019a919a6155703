package kinds

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What is said of a field that is kept and shown, and that nothing acts on, or
// not in the way that it says.
const (
	notActedOn  = "not acted on by this version"
	notEnforced = "not enforced by this version"
	notStarted  = "not supported by this version: the container does not start"
	notMounted  = "not supported by this version: containers that mount it do not start"
)

// maxWarnings bounds what is said of one object: warnings are headers, which
// clients read only so many of.
const maxWarnings = 30

// inert is a field that is accepted although nothing acts on it yet. Whoever
// makes something act on it takes it out of its table.
type inert[T any] struct {
	path string          // below T, as fields are written
	set  func(in T) bool // whether the author asks for something that does not happen
	says string          // notActedOn when empty
}

// report says it when it is so.
func report[T any](at *field.Path, in T, table []inert[T]) (out []string) {
	for _, entry := range table {
		if !entry.set(in) {
			continue
		}
		says := entry.says
		if says == "" {
			says = notActedOn
		}
		out = append(out, at.Child(entry.path).String()+": "+says)
	}
	return out
}

// inertPodFields are those of a pod's spec.
var inertPodFields = []inert[*corev1.PodSpec]{
	{path: "affinity.podAffinity", set: func(s *corev1.PodSpec) bool {
		return s.Affinity != nil && s.Affinity.PodAffinity != nil && asksPods(s.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, s.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}},
	{path: "affinity.podAntiAffinity", set: func(s *corev1.PodSpec) bool {
		return s.Affinity != nil && s.Affinity.PodAntiAffinity != nil && asksPods(s.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, s.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}},
	{path: "topologySpreadConstraints", set: func(s *corev1.PodSpec) bool { return len(s.TopologySpreadConstraints) > 0 }},
	{path: "priorityClassName", set: func(s *corev1.PodSpec) bool { return s.PriorityClassName != "" }},
	{
		path: "priority", says: "orders who is scheduled first, no pod is preempted by this version",
		set: func(s *corev1.PodSpec) bool {
			return deref(s.Priority, 0) > 0 && deref(s.PreemptionPolicy, corev1.PreemptLowerPriority) != corev1.PreemptNever
		},
	},
	{path: "schedulingGroup", set: func(s *corev1.PodSpec) bool { return s.SchedulingGroup != nil }},
	{path: "resourceClaims", set: func(s *corev1.PodSpec) bool { return len(s.ResourceClaims) > 0 }},
	{
		path: "resources", says: "counted by the scheduler, " + notEnforced,
		set: func(s *corev1.PodSpec) bool {
			return s.Resources != nil && len(s.Resources.Limits)+len(s.Resources.Requests) > 0
		},
	},
	{path: "imagePullSecrets", set: func(s *corev1.PodSpec) bool { return len(s.ImagePullSecrets) > 0 }},
	{
		path: "serviceAccountName", says: "no token is mounted by this version",
		set: func(s *corev1.PodSpec) bool {
			return s.ServiceAccountName != "" && s.ServiceAccountName != defaultServiceAccount && deref(s.AutomountServiceAccountToken, true)
		},
	},
	{
		path: "automountServiceAccountToken", says: "no token is mounted by this version",
		set: func(s *corev1.PodSpec) bool { return deref(s.AutomountServiceAccountToken, false) },
	},
	{path: "runtimeClassName", set: func(s *corev1.PodSpec) bool { return deref(s.RuntimeClassName, "") != "" }},
	{path: "evictionResponders", set: func(s *corev1.PodSpec) bool { return len(s.EvictionResponders) > 0 }},
	{path: "os.name", set: func(s *corev1.PodSpec) bool { return s.OS != nil && s.OS.Name != corev1.Linux }},
	{path: "hostUsers", set: func(s *corev1.PodSpec) bool { return !deref(s.HostUsers, true) }},
	{path: "setHostnameAsFQDN", set: func(s *corev1.PodSpec) bool { return deref(s.SetHostnameAsFQDN, false) }},
	{path: "hostnameOverride", set: func(s *corev1.PodSpec) bool { return deref(s.HostnameOverride, "") != "" }},
}

// inertPodSecurity are those of the security context of all containers.
var inertPodSecurity = []inert[*corev1.PodSecurityContext]{
	{path: "seLinuxOptions", set: func(s *corev1.PodSecurityContext) bool { return s.SELinuxOptions != nil }},
	{path: "seLinuxChangePolicy", set: func(s *corev1.PodSecurityContext) bool { return s.SELinuxChangePolicy != nil }},
	{path: "windowsOptions", set: func(s *corev1.PodSecurityContext) bool { return s.WindowsOptions != nil }},
	{path: "seccompProfile", says: ownProfile, set: func(s *corev1.PodSecurityContext) bool { return otherSeccomp(s.SeccompProfile) }},
	{path: "appArmorProfile", says: ownProfile, set: func(s *corev1.PodSecurityContext) bool { return otherAppArmor(s.AppArmorProfile) }},
	{path: "sysctls", set: func(s *corev1.PodSecurityContext) bool { return len(s.Sysctls) > 0 }},
	{path: "fsGroupChangePolicy", set: func(s *corev1.PodSecurityContext) bool { return s.FSGroupChangePolicy != nil }},
	{path: "supplementalGroupsPolicy", set: func(s *corev1.PodSecurityContext) bool {
		return deref(s.SupplementalGroupsPolicy, "") == corev1.SupplementalGroupsPolicyStrict
	}},
}

// ownProfile is said of profiles other than the runtime's.
const ownProfile = notActedOn + ", containers get the runtime's default"

func otherSeccomp(p *corev1.SeccompProfile) bool {
	return p != nil && p.Type != corev1.SeccompProfileTypeRuntimeDefault
}

func otherAppArmor(p *corev1.AppArmorProfile) bool {
	return p != nil && p.Type != corev1.AppArmorProfileTypeRuntimeDefault
}

func asksPods(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) bool {
	return len(required)+len(preferred) > 0
}

// warnPod says what nothing acts on in a pod that is new or has changed.
func warnPod(pod, old *corev1.Pod) []string {
	if old != nil && equality.Semantic.DeepEqual(pod.Spec, old.Spec) {
		return nil
	}
	return warnPodSpec(specPath, &pod.Spec)
}

// warnPodTemplate does the same for a template; old is nil when it is new.
func warnPodTemplate(template, old *corev1.PodTemplateSpec) []string {
	if old != nil && equality.Semantic.DeepEqual(template.Spec, old.Spec) {
		return nil
	}
	return warnPodSpec(specPath.Child("template", "spec"), &template.Spec)
}

func warnPodSpec(path *field.Path, spec *corev1.PodSpec) []string {
	out := report(path, spec, inertPodFields)
	if spec.SecurityContext != nil {
		out = append(out, report(path.Child("securityContext"), spec.SecurityContext, inertPodSecurity)...)
	}
	for i := range spec.Volumes {
		out = append(out, warnVolume(path.Child("volumes").Index(i), &spec.Volumes[i].VolumeSource)...)
	}
	for i := range spec.InitContainers {
		out = append(out, warnContainer(path.Child("initContainers").Index(i), spec, &spec.InitContainers[i], true)...)
	}
	for i := range spec.Containers {
		out = append(out, warnContainer(path.Child("containers").Index(i), spec, &spec.Containers[i], false)...)
	}
	if more := len(out) - maxWarnings; more > 0 {
		out = append(slices.Clip(out[:maxWarnings]), fmt.Sprintf("%s: %d more fields are %s", path, more, notActedOn))
	}
	return out
}

// warnVolume says which volumes no node can mount, and what of the others is not
// kept.
func warnVolume(at *field.Path, source *corev1.VolumeSource) (out []string) {
	if empty := source.EmptyDir; empty != nil {
		if empty.Medium != corev1.StorageMediumDefault {
			out = append(out, at.Child("emptyDir", "medium").String()+": "+notMounted)
		}
		if empty.SizeLimit != nil {
			out = append(out, at.Child("emptyDir", "sizeLimit").String()+": "+notEnforced)
		}
		return out
	}
	for _, a := range volumeAlternatives(source) {
		if a.set && a.name != "hostPath" {
			out = append(out, at.Child(a.name).String()+": "+notMounted)
		}
	}
	return out
}
