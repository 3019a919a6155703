package kinds_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

const benchPod = `{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: web}}, spec: {containers: [{name: a, image: 'a:1',
ports: [{containerPort: 80}], env: [{name: A, value: b}], volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, emptyDir: {}}]}}`

// BenchmarkCreatePod is what a creation costs besides Decide itself.
func BenchmarkCreatePod(b *testing.B) {
	kind, given := load(b, []byte(benchPod))
	b.ReportAllocs()
	for b.Loop() {
		pod := events.Copy(given)
		kind.Default(pod)
		kind.PrepareCreate(pod)
		if errs := kind.Validate(pod); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkReportPod is what a node's report costs besides Decide itself.
func BenchmarkReportPod(b *testing.B) {
	kind, before := load(b, []byte(benchPod))
	kind.Default(before)
	kind.PrepareCreate(before)
	after := events.Copy(before).(*corev1.Pod)
	after.Status.Phase, after.Status.PodIP = corev1.PodRunning, "10.244.0.2"
	after.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	b.ReportAllocs()
	for b.Loop() {
		kind.PrepareStatus(after, before)
		if errs := kind.ValidateStatus(after, before); len(errs) > 0 {
			b.Fatal(errs)
		}
		if fact, _ := kind.Classify(before, after, proto.SectionStatus); fact == "" {
			b.Fatal("no fact")
		}
	}
}

// BenchmarkPodRow is one line of kubectl get pods -o wide.
func BenchmarkPodRow(b *testing.B) {
	kind, pod := load(b, []byte(benchPod))
	b.ReportAllocs()
	for b.Loop() {
		kind.Row(pod, now)
	}
}
