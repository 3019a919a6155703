package kinds

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestO10EveryFieldIsHonouredOrSaid goes through the fields of everything that
// makes up a pod: each is acted on, or in a table of what is not. A field that a
// new version of the API brings is in neither.
func TestO10EveryFieldIsHonouredOrSaid(t *testing.T) {
	types := []struct {
		name    string
		of      any
		inert   []string
		honours string // by nodes, the scheduler or reconcilers; or in a table of its own
	}{
		{
			"pod spec", corev1.PodSpec{}, pathsOf(inertPodFields),
			"volumes initContainers containers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds nodeSelector " +
				"serviceAccount nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext hostname schedulerName " +
				"tolerations hostAliases dnsPolicy dnsConfig subdomain readinessGates preemptionPolicy overhead schedulingGates " +
				"ephemeralContainers enableServiceLinks", // refused; a default that every pod has
		},
		{"affinity", corev1.Affinity{}, below("affinity.", pathsOf(inertPodFields)), "nodeAffinity"},
		{
			"pod security", corev1.PodSecurityContext{}, pathsOf(inertPodSecurity),
			"runAsUser runAsGroup runAsNonRoot supplementalGroups fsGroup",
		},
		{
			"container", corev1.Container{}, pathsOf(inertContainerFields),
			"name image command args workingDir ports env resources volumeMounts livenessProbe readinessProbe startupProbe " +
				"imagePullPolicy securityContext stdin stdinOnce tty",
		},
		{"lifecycle", corev1.Lifecycle{}, below("lifecycle.", pathsOf(inertContainerFields)), ""},
		{"resources", corev1.ResourceRequirements{}, below("resources.", pathsOf(inertContainerFields)), "limits requests"},
		{
			"container security", corev1.SecurityContext{}, pathsOf(inertContainerSecurity),
			"capabilities privileged runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation",
		},
		{
			"probe", corev1.Probe{}, pathsOf(inertProbeFields),
			"exec httpGet tcpSocket initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold",
		},
		{"mount", corev1.VolumeMount{}, pathsOf(inertMountFields), "name readOnly mountPath subPath subPathExpr"},
		{"value source", corev1.EnvVarSource{}, pathsOf(inertValueSources), "fieldRef resourceFieldRef"},
		{"port", corev1.ContainerPort{}, nil, "name containerPort protocol hostPort hostIP"},
	}
	for _, test := range types {
		t.Run(test.name, func(t *testing.T) {
			honoured := strings.Fields(test.honours)
			for _, name := range jsonNames(reflect.TypeOf(test.of)) {
				said := slices.ContainsFunc(test.inert, func(path string) bool {
					return path == name || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"[")
				})
				if !said && !slices.Contains(honoured, name) {
					t.Errorf("%s is neither acted on nor in a table of what is not", name)
				}
			}
			for _, name := range honoured {
				if !slices.Contains(jsonNames(reflect.TypeOf(test.of)), name) {
					t.Errorf("there is no field %s", name)
				}
			}
		})
	}
}

func pathsOf[T any](table []inert[T]) (out []string) {
	for _, entry := range table {
		out = append(out, entry.path)
	}
	return out
}

// below are the rests of the paths that begin so.
func below(prefix string, paths []string) (out []string) {
	for _, path := range paths {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

// jsonNames are the fields of a struct in JSON, those of embedded ones too.
func jsonNames(of reflect.Type) (out []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && f.Anonymous {
			out = append(out, jsonNames(f.Type)...)
			continue
		}
		out = append(out, name)
	}
	return out
}
