package condition

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// TestE10Tally checks what is told by counting, and what of an object is read for
// that.
func TestE10Tally(t *testing.T) {
	full := pod("default", "p1", corev1.PodRunning)
	full.Labels = map[string]string{"app": "web", "example.com/tier": "front"}
	full.Spec.NodeName, full.Spec.HostNetwork = "n1", true
	full.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64), FSGroup: new(int64)}
	full.Status.Message = "nobody asks for this"
	running := &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon)}
	full.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "a", RestartCount: 3, Ready: true, ContainerID: "docker://1", State: corev1.ContainerState{Running: running}},
		{Name: "b", RestartCount: 4, Image: "i"},
	}
	containers := func(left ...corev1.ContainerStatus) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.ContainerStatuses = left }
	}
	names := containers(corev1.ContainerStatus{Name: "a"}, corev1.ContainerStatus{Name: "b"})
	full.CreationTimestamp = metav1.NewTime(noon)
	tests := []struct {
		when    string
		counts  int
		version bool
		left    func(*corev1.Pod) // what is read of full; nil is everything
	}{
		{`objects("pods").size() > 3`, 1, false, func(*corev1.Pod) {}},
		{`objects("pods", "a").size() == size(objects("nodes"))`, 2, false, nil},
		{`objects("pods").exists(p, p.status.phase == "Failed")`, 1, false, func(p *corev1.Pod) { p.Status.Phase = full.Status.Phase }},
		{`objects("pods").filter(p, has(p.spec.securityContext.runAsUser)).all(q, q.metadata.labels.app == "web")`, 1, false, func(p *corev1.Pod) {
			p.Labels = full.Labels
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: full.Spec.SecurityContext.RunAsUser}
		}},
		{`objects("pods").exists_one(p, p.metadata.creationTimestamp > timestamp("2026-01-01T00:00:00Z"))`, 1, false, func(p *corev1.Pod) { p.CreationTimestamp = full.CreationTimestamp }},
		{`objects("pods").exists(p, p.kind == "Pod" && p.metadata.resourceVersion == "3")`, 1, true, func(*corev1.Pod) {}},
		{`objects("pods").exists(p, p["status"].phase == "Failed")`, 1, true, nil},
		{`objects("pods").exists(p, p.metadata != null)`, 1, true, func(p *corev1.Pod) { p.ObjectMeta = full.ObjectMeta }},
		{`objects("pods").exists(p, p.status.conditions.exists(p, p.type == "Ready"))`, 1, false, nil},
		{`objects("pods").exists(p, p.status.containerStatuses.exists(c, c.restartCount > 3))`, 1, false, containers(corev1.ContainerStatus{RestartCount: 3}, corev1.ContainerStatus{RestartCount: 4})},
		{`objects("pods").exists(p, p.status.containerStatuses.exists(p, p.name == "a"))`, 1, false, names},
		{`objects("pods").exists(p, p.status.containerStatuses.size() > 1 && size(p.status.containerStatuses) < 9)`, 1, false, containers(corev1.ContainerStatus{}, corev1.ContainerStatus{})},
		{`objects("pods").exists(p, p.status.containerStatuses[p.metadata.name == "a" ? 0 : 1].name == "a")`, 1, false, func(p *corev1.Pod) { names(p); p.Name = full.Name }},
		{`objects("pods").exists(p, p.status.containerStatuses.filter(c, has(c.state.running)).filter(q, q.ready).all(r, r.name != ""))`, 1, false, containers(
			corev1.ContainerStatus{Name: "a", Ready: true, State: corev1.ContainerState{Running: running}}, corev1.ContainerStatus{Name: "b"})},
		{`objects("pods").exists(p, p.status.containerStatuses.map(c, c.ready, c.name).exists(p, p == "a"))`, 1, false, containers(
			corev1.ContainerStatus{Name: "a", Ready: true}, corev1.ContainerStatus{Name: "b"})},
		{`objects("pods").exists(p, p.status.containerStatuses.filter(c, c.ready) == [])`, 1, false, containers(full.Status.ContainerStatuses...)},
		{`objects("pods").exists(p, p.status.containerStatuses.exists(c, c == p.status.containerStatuses[0]))`, 1, false, containers(full.Status.ContainerStatuses...)},
		{`objects("pods").exists(p, (p.status.containerStatuses + []).exists(c, c.ready))`, 1, false, containers(full.Status.ContainerStatuses...)},
		{`objects("pods").exists(p, ["a"].exists(p, p == "a") && p.metadata.labels.exists(k, k == "app"))`, 1, false, func(p *corev1.Pod) { p.Labels = full.Labels }},
		{`objects("pods").map(p, p.spec.nodeName).size() > 1`, 0, false, nil},
		{`objects("pods") == []`, 0, false, nil},
		{`["a"].all(n, objects("pods", n).size() > 1)`, 0, false, nil},
		{`["a"].all(n, objects("pods").exists(p, p.metadata.name == n))`, 0, false, nil},
		{`["a"].all(n, n == "a" && objects("pods").exists(p, p.metadata.name == "a"))`, 1, false, func(p *corev1.Pod) { p.Name = full.Name }},
		{`objects("pods").exists(p, p.spec.nodeName == object("node/n1").metadata.name)`, 0, false, nil},
		{`objects("pods").exists(p, objects("nodes").exists(n, n.metadata.name == p.spec.nodeName))`, 0, false, nil},
		{`objects("pods").size() > 3 && object("pods", "a", string(objects("nodes").size())) == null`, 0, false, nil},
		{`object("pod/p1") == null`, 0, false, nil},
		{`event.seq > objects("pods").size()`, 0, false, nil},
	}
	for _, test := range tests {
		c, err := Compile(Config{Table: table}, test.when)
		if err != nil {
			t.Fatalf("%s: %v", test.when, err)
		}
		tally, err := c.Tally()
		if err != nil {
			t.Fatalf("%s: %v", test.when, err)
		}
		if got := countsOf(tally); len(got) != test.counts {
			t.Errorf("%s: %d counts, want %d", test.when, len(got), test.counts)
			continue
		}
		if test.left == nil || tally == nil {
			continue
		}
		reads := tally.Counts[0].Reads
		if reads.Version != test.version {
			t.Errorf("%s: reads the version: %v", test.when, reads.Version)
		}
		want := &corev1.Pod{}
		test.left(want)
		if got := trimmed(t, reads.Part, full); got.String() != want.String() {
			t.Errorf("%s reads\n%s, want\n%s", test.when, got, want)
		}
	}
}

func countsOf(tally *Tally) []*Count {
	if tally == nil {
		return nil
	}
	return tally.Counts
}

func trimmed(t *testing.T, part *events.Part, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	kind := table.Of(proto.Resource{Name: "pods"})
	whole, err := kind.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	spec, ok := part.Trim(nil, whole.Spec)
	status, ok2 := part.Trim(nil, whole.Status)
	obj, err := kind.Decode(events.Sections{Spec: spec, Status: status})
	if err != nil || !ok || !ok2 {
		t.Fatal(err, ok, ok2)
	}
	return obj.(*corev1.Pod)
}

// TestE10TallyHolds compares numbers with a look at all objects, and checks that
// what cannot be told of one of them is left to that look.
func TestE10TallyHolds(t *testing.T) {
	var all []events.Object
	for i, phase := range []corev1.PodPhase{corev1.PodRunning, corev1.PodFailed, corev1.PodRunning, corev1.PodPending} {
		all = append(all, pod("default", fmt.Sprint("p", i), phase))
	}
	state := clusterOf(all...)
	for _, when := range []string{
		`objects("pods").size() == 4`,
		`objects("pods").exists(p, p.status.phase == "Failed")`,
		`objects("pods").exists(p, p.status.phase == "Nonsense")`,
		`objects("pods").exists_one(p, p.status.phase == "Failed")`,
		`objects("pods").exists_one(p, p.status.phase == "Running")`,
		`objects("pods").all(p, p.status.phase != "")`,
		`objects("pods").all(p, p.status.phase == "Running")`,
		`objects("pods").filter(p, p.status.phase == "Running").all(p, p.metadata.name != "p1")`,
		`objects("pods").filter(p, p.status.phase == "Running").filter(q, q.metadata.name == "p2").size() == 1 && object("pod/p0") != null`,
		`objects("pods", "other").all(p, false)`,
	} {
		c, err := Compile(Config{Table: table}, when)
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.Holds(t.Context(), state, nil)
		if err != nil {
			t.Fatal(err)
		}
		tally, err := c.Tally()
		if err != nil || tally == nil {
			t.Fatalf("%s: %v, %v", when, tally, err)
		}
		numbers := make([]int, len(tally.Counts))
		for i, count := range tally.Counts {
			for _, obj := range all {
				counts, err := count.Holds(t.Context(), obj)
				if err != nil {
					t.Fatal(err)
				}
				if counts && count.Of.Has(count.Kind.KeyOf(obj)) {
					numbers[i]++
				}
			}
		}
		if got, err := tally.Holds(t.Context(), state, numbers); got != want || err != nil {
			t.Errorf("%s: got %v, %v of %v, want %v", when, got, err, numbers, want)
		}
	}
	for _, when := range []string{`objects("pods").exists(p, p.metadata.name > 3)`, `objects("pods").exists(p, p.metadata.name)`, `objects("pods").exists(p, 1/0 == 1)`} {
		c, err := Compile(Config{Table: table}, when)
		if err != nil {
			t.Fatal(err)
		}
		tally, err := c.Tally()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tally.Counts[0].Holds(t.Context(), all[0]); !errors.Is(err, ErrUncounted) {
			t.Errorf("%s: got %v", when, err)
		}
	}
}
