package pod

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// sandboxSpec is the sandbox of a pod.
func sandboxSpec(want Want, attempt int, address netip.Addr) runtime.SandboxSpec {
	pod := want.Pod
	spec := runtime.SandboxSpec{
		Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Attempt: attempt,
		Hostname:    hostnameOf(pod),
		Address:     address,
		HostNetwork: pod.Spec.HostNetwork, HostPID: pod.Spec.HostPID, HostIPC: pod.Spec.HostIPC,
	}
	for _, alias := range pod.Spec.HostAliases {
		for _, name := range alias.Hostnames {
			spec.Hosts = append(spec.Hosts, runtime.Host{Name: name, Address: alias.IP})
		}
	}
	return spec
}

// hostnameOf is the pod's name, cut to what the kernel takes.
func hostnameOf(pod *corev1.Pod) string {
	name := pod.Name
	if pod.Spec.Hostname != "" {
		name = pod.Spec.Hostname
	}
	const most = 63
	if len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name
}

// containerSpec is one attempt of a container. Its errors carry the reason
// under which they are shown.
func containerSpec(want Want, have State, volumes Volumes, action Action) (runtime.ContainerSpec, error) {
	pod := want.Pod
	c := containerNamed(pod, action.Ref.Container)
	if c == nil {
		return runtime.ContainerSpec{}, because(createConfigError, "the pod has no container %s", action.Ref.Container)
	}
	for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p != nil && p.GRPC != nil {
			return runtime.ContainerSpec{}, because(createConfigError, "grpc probes are not supported by this version of segno")
		}
	}
	env, vars, err := environment(want, have, c)
	if err != nil {
		return runtime.ContainerSpec{}, err
	}
	mounts, err := volumes.mounts(pod, c, vars)
	if err != nil {
		return runtime.ContainerSpec{}, err
	}
	security, err := securityOf(pod, c)
	if err != nil {
		return runtime.ContainerSpec{}, err
	}
	return runtime.ContainerSpec{
		Ref: action.Ref, Namespace: pod.Namespace, Name: pod.Name,
		Sandbox: action.Sandbox, Streak: action.Streak, Seq: want.Seq, Annotations: pod.Annotations,
		Image: c.Image, Command: expandAll(c.Command, vars), Args: expandAll(c.Args, vars), Env: env,
		WorkingDir: c.WorkingDir, Mounts: mounts, Resources: resourcesOf(pod, have, c), Security: security,
		Stdin: c.Stdin, TTY: c.TTY, StdinOnce: c.StdinOnce,
		SharePID: pod.Spec.ShareProcessNamespace != nil && *pod.Spec.ShareProcessNamespace,
		HostPID:  pod.Spec.HostPID,
	}, nil
}

func containerNamed(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// resourcesOf turns requests and limits into what the kernel enforces.
func resourcesOf(pod *corev1.Pod, have State, c *corev1.Container) runtime.Resources {
	request := c.Resources.Requests.Cpu().MilliValue()
	limit := c.Resources.Limits.Cpu().MilliValue()
	if request == 0 {
		request = limit
	}
	memory := c.Resources.Requests.Memory().Value()
	if memory == 0 {
		memory = c.Resources.Limits.Memory().Value()
	}
	return runtime.Resources{
		CPUShares: max(2, request*1024/1000),
		MilliCPU:  limit,
		Memory:    c.Resources.Limits.Memory().Value(),
		OOMScore:  oomScore(qosOf(pod, have.Memory.Status), memory, have.Node.Memory),
	}
}

// oomScore orders who dies first when the node runs out of memory: those who
// promised nothing, then those who use more than they asked for.
func oomScore(qos corev1.PodQOSClass, request, capacity int64) int {
	const guaranteed, first, last = -997, 3, 999
	switch {
	case qos == corev1.PodQOSGuaranteed:
		return guaranteed
	case qos == corev1.PodQOSBestEffort:
		return 1000
	case capacity <= 0:
		return last
	default:
		share := float64(request) / float64(capacity)
		return int(math.Min(math.Max(1000-1000*share, first), last))
	}
}

// imageDecidesUser says that the container must not run as root, and that only
// its image says as whom it runs.
func imageDecidesUser(pod *corev1.Pod, c *corev1.Container) bool {
	user, _, nonRoot := identityOf(pod, c)
	return user == nil && nonRoot
}

// identityOf is as whom a container runs: it has the word before its pod.
func identityOf(pod *corev1.Pod, c *corev1.Container) (user, group *int64, nonRoot bool) {
	var not *bool
	if p := pod.Spec.SecurityContext; p != nil {
		user, group, not = p.RunAsUser, p.RunAsGroup, p.RunAsNonRoot
	}
	if s := c.SecurityContext; s != nil {
		user, group, not = either(s.RunAsUser, user), either(s.RunAsGroup, group), either(s.RunAsNonRoot, not)
	}
	return user, group, not != nil && *not
}

// checkNotRoot refuses an image whose user is root, or may be by another name.
func checkNotRoot(pod, container, user string) error {
	name, _, _ := strings.Cut(user, ":")
	id, err := strconv.ParseInt(name, 10, 64)
	switch {
	case name == "" || name == "root" || (err == nil && id == 0):
		return because(createConfigError, "container has runAsNonRoot and image will run as root (pod: %q, container: %s)", pod, container)
	case err != nil:
		return because(createConfigError, "container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root (pod: %q, container: %s)", name, pod, container)
	}
	return nil
}

func securityOf(pod *corev1.Pod, c *corev1.Container) (runtime.Security, error) {
	user, group, nonRoot := identityOf(pod, c)
	var out runtime.Security
	if p := pod.Spec.SecurityContext; p != nil {
		for _, g := range p.SupplementalGroups {
			out.Groups = append(out.Groups, strconv.FormatInt(g, 10))
		}
		if p.FSGroup != nil {
			out.Groups = append(out.Groups, strconv.FormatInt(*p.FSGroup, 10))
		}
	}
	if s := c.SecurityContext; s != nil {
		out.Privileged = s.Privileged != nil && *s.Privileged
		out.ReadOnly = s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem
		out.NoNewPrivileges = s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation
		if s.Capabilities != nil {
			out.Add, out.Drop = names(s.Capabilities.Add), names(s.Capabilities.Drop)
		}
	}
	if nonRoot && user != nil && *user == 0 {
		return out, because(createConfigError, "container's runAsUser breaks non-root policy (pod: %q, container: %s)", pod.Name, c.Name)
	}
	switch {
	case user != nil && group != nil:
		out.User = fmt.Sprintf("%d:%d", *user, *group)
	case user != nil:
		out.User = strconv.FormatInt(*user, 10)
	}
	return out, nil
}

func either[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}

func names(caps []corev1.Capability) []string {
	out := make([]string, len(caps))
	for i, c := range caps {
		out[i] = string(c)
	}
	return out
}
