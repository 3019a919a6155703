package pod

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"segno/agents/runtime"
)

func TestP8Expand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "two words", "EMPTY": "", "LOOP": "$(A)"}
	for text, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"$(A)":          "1",
		"x$(A)y$(B)z":   "x1ytwo wordsz",
		"$(EMPTY)":      "",
		"$(NONE)":       "$(NONE)",
		"$$(A)":         "$(A)",
		"$$$(A)":        "$1",
		"$$$$(A)":       "$$(A)",
		"$A ${A} $":     "$A ${A} $",
		"$(A":           "$(A",
		"$()":           "$()",
		"$(LOOP)":       "$(A)", // what was put in is not read again
		"cost: $5 $(A)": "cost: $5 1",
		"$($(A))":       "$($(A))",
	} {
		if got := expand(text, vars); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("$(A)$$$(")
	f.Fuzz(func(t *testing.T, text string) {
		if got := expand(text, nil); !strings.Contains(text, "$$") && got != text {
			t.Errorf("%q became %q without any variable", text, got)
		}
	})
}

func field(path string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
}

func TestP8Environment(t *testing.T) {
	p := podOf("c")
	p.Labels = map[string]string{"app": "web", "tier": "front"}
	p.Spec.ServiceAccountName = "robot"
	c := &p.Spec.Containers[0]
	c.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m")}
	limit := func(name, divisor string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: name, Divisor: resource.MustParse(divisor)}}
	}
	c.Env = []corev1.EnvVar{
		{Name: "PLAIN", Value: "value"},
		{Name: "AFTER", Value: "$(PLAIN) $(BEFORE)"},
		{Name: "BEFORE", Value: "late"},
		{Name: "NAME", ValueFrom: field("metadata.name")},
		{Name: "NAMESPACE", ValueFrom: field("metadata.namespace")},
		{Name: "UID", ValueFrom: field("metadata.uid")},
		{Name: "APP", ValueFrom: field("metadata.labels['app']")},
		{Name: "LABELS", ValueFrom: field("metadata.labels")},
		{Name: "NODE", ValueFrom: field("spec.nodeName")},
		{Name: "ACCOUNT", ValueFrom: field("spec.serviceAccountName")},
		{Name: "POD_IP", ValueFrom: field("status.podIP")},
		{Name: "POD_IPS", ValueFrom: field("status.podIPs")},
		{Name: "API", Value: "https://$(API_HOST):$(API_PORT)"},
		{Name: "API_PORT", Value: "own"},
		{Name: "HOST_IP", ValueFrom: field("status.hostIP")},
		{Name: "CPU", ValueFrom: limit("limits.cpu", "0")},
		{Name: "MILLI", ValueFrom: limit("limits.cpu", "1m")},
		{Name: "MEMORY", ValueFrom: limit("limits.memory", "1Mi")},
	}
	s := have()
	s.Runtime.Sandbox = &runtime.Sandbox{ID: "s", State: runtime.Running, Address: netip.MustParseAddr("10.0.0.9"), Second: netip.MustParseAddr("fd00::9")}
	s.Node = Node{
		Name: "n1", Address: netip.MustParseAddr("192.0.2.1"), Memory: 2 << 30,
		Given: func() []string { return []string{"API_HOST=10.96.0.1", "API_PORT=443"} },
	}
	list, _, err := environment(Want{Pod: p}, s, c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"API_HOST=10.96.0.1", "PLAIN=value", "AFTER=value $(BEFORE)", "BEFORE=late", "NAME=p", "NAMESPACE=d", "UID=u", "APP=web",
		"LABELS=app=\"web\"\ntier=\"front\"", "NODE=n1", "ACCOUNT=robot", "POD_IP=10.0.0.9", "POD_IPS=10.0.0.9,fd00::9",
		"API=https://10.96.0.1:$(API_PORT)", "API_PORT=own", "HOST_IP=192.0.2.1",
		"CPU=2", "MILLI=1500", "MEMORY=2048",
	}
	if got := strings.Join(list, "|"); got != strings.Join(want, "|") {
		t.Errorf("got  %s\nwant %s", got, strings.Join(want, "|"))
	}
	for _, bad := range []*corev1.EnvVarSource{
		field("spec.containers"), limit("limits", "0"), {ConfigMapKeyRef: &corev1.ConfigMapKeySelector{}}, {SecretKeyRef: &corev1.SecretKeySelector{}},
	} {
		c.Env = []corev1.EnvVar{{Name: "X", ValueFrom: bad}}
		if _, _, err := environment(Want{Pod: p}, s, c); bad.ResourceFieldRef == nil && (err == nil || !strings.HasPrefix(err.Error(), "env X: ")) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestP10Resources(t *testing.T) {
	list := func(cpu, memory string) corev1.ResourceList {
		out := corev1.ResourceList{}
		if cpu != "" {
			out[corev1.ResourceCPU] = resource.MustParse(cpu)
		}
		if memory != "" {
			out[corev1.ResourceMemory] = resource.MustParse(memory)
		}
		return out
	}
	for _, c := range []struct {
		requests, limits corev1.ResourceList
		want             runtime.Resources
	}{
		{nil, nil, runtime.Resources{CPUShares: 2, OOMScore: 1000}},
		{list("250m", "512Mi"), nil, runtime.Resources{CPUShares: 256, OOMScore: 500}},
		{nil, list("500m", "64Mi"), runtime.Resources{CPUShares: 512, MilliCPU: 500, Memory: 64 << 20, OOMScore: -997}},
		{list("1", "64Mi"), list("2", "128Mi"), runtime.Resources{CPUShares: 1024, MilliCPU: 2000, Memory: 128 << 20, OOMScore: 937}},
	} {
		p := podOf("c")
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: c.requests, Limits: c.limits}
		s := have()
		s.Node.Memory = 1 << 30
		if got := resourcesOf(p, s, &p.Spec.Containers[0]); got != c.want {
			t.Errorf("requests %v limits %v: %+v, want %+v", c.requests, c.limits, got, c.want)
		}
	}
}

func TestP1Hostname(t *testing.T) {
	p := podOf("c")
	p.Name = strings.Repeat("a", 62) + "-b"
	if got := hostnameOf(p); got != strings.Repeat("a", 62) {
		t.Errorf("%s", got)
	}
	p.Spec.Hostname = "own"
	if got := hostnameOf(p); got != "own" {
		t.Errorf("%s", got)
	}
}

func TestP9PathsStayInTheVolume(t *testing.T) {
	v := Volumes{Dir: t.TempDir()}
	p := podOf("c")
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	source, err := v.source(p, &p.Spec.Volumes[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	for sub, ok := range map[string]bool{"a/b": true, "..": false, "a/../../x": false, "/etc": false, "link": false, "link/x": false} {
		got, err := v.inside(source, sub)
		if (err == nil) != ok || (ok && !strings.HasPrefix(got, source)) {
			t.Errorf("subPath %q: %s, %v", sub, got, err)
		}
	}
	// A link that was put there after it had been looked at.
	for sub, ok := range map[string]bool{"a/b": true, ".": true, "link": false, "link/passwd": false, "a/none": false} {
		if got, err := resolve(source, sub); (err == nil) != ok || (ok && !strings.HasPrefix(got, source)) {
			t.Errorf("resolve %q: %s, %v", sub, got, err)
		}
	}
	beside := filepath.Join(t.TempDir(), "beside") // a volume that is itself a link
	if err := os.Symlink(source, beside); err != nil {
		t.Fatal(err)
	}
	if got, err := v.inside(beside, "a/b"); err != nil || got != filepath.Join(source, "a/b") {
		t.Errorf("by a link: %s, %v", got, err)
	}
	if err := v.remove("u"); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(v.Dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
}

func TestP9VolumesThatAreNotSupportedSaySo(t *testing.T) {
	p := podOf("c")
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}}}
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
	_, err := Volumes{}.mounts(p, &p.Spec.Containers[0], nil)
	if err == nil || err.Error() != "volume v: only emptyDir (on disk) and hostPath volumes are supported by this version of segno" {
		t.Errorf("%v", err)
	}
}

func TestSecurityContext(t *testing.T) {
	user, group, root := int64(1000), int64(2000), int64(0)
	yes, no := true, false
	p := podOf("c")
	p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, FSGroup: &group, RunAsNonRoot: &yes}
	c := &p.Spec.Containers[0]
	c.SecurityContext = &corev1.SecurityContext{
		RunAsGroup: &group, ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}},
	}
	got, err := securityOf(p, c)
	if err != nil || got.User != "1000:2000" || strings.Join(got.Groups, " ") != "2000" || !got.ReadOnly || !got.NoNewPrivileges || got.Privileged || strings.Join(got.Drop, " ") != "ALL" || strings.Join(got.Add, " ") != "NET_BIND_SERVICE" {
		t.Errorf("%+v, %v", got, err)
	}
	c.SecurityContext.RunAsUser = &root
	if _, err := securityOf(p, c); err == nil {
		t.Error("root was allowed where runAsNonRoot forbids it")
	}
}

func TestRunAsNonRootLooksAtTheImage(t *testing.T) {
	user, yes, no := int64(1000), true, false
	for _, c := range []struct {
		pod       *corev1.PodSecurityContext
		container *corev1.SecurityContext
		asks      bool
	}{
		{nil, nil, false},
		{&corev1.PodSecurityContext{RunAsNonRoot: &yes}, nil, true},
		{&corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}, nil, false},
		{&corev1.PodSecurityContext{RunAsNonRoot: &yes}, &corev1.SecurityContext{RunAsNonRoot: &no}, false},
		{&corev1.PodSecurityContext{RunAsNonRoot: &no}, &corev1.SecurityContext{RunAsNonRoot: &yes}, true},
		{nil, &corev1.SecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}, false},
	} {
		p := podOf("c")
		p.Spec.SecurityContext, p.Spec.Containers[0].SecurityContext = c.pod, c.container
		if got := imageDecidesUser(p, &p.Spec.Containers[0]); got != c.asks {
			t.Errorf("%+v, %+v: %t", c.pod, c.container, got)
		}
	}
	for image, want := range map[string]string{
		"": "image will run as root", "0": "image will run as root", "0:5": "image will run as root", "root": "image will run as root",
		"00": "image will run as root", ":5": "image will run as root", "nobody": "image has non-numeric user (nobody)", "1000": "", "1000:0": "",
	} {
		err := checkNotRoot("p", "c", image)
		if (err == nil) != (want == "") || (err != nil && !strings.HasPrefix(err.Error(), "container has runAsNonRoot and "+want)) {
			t.Errorf("user %q of the image: %v", image, err)
		}
	}
}
