package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// pastWriter makes the log of a cluster in which pods come, are bound, start,
// and report again and again.
type pastWriter struct {
	pods    *events.Kind
	objects int
	rng     *rand.Rand
	seq     proto.Seq
	prev    proto.Hash
	at      time.Time
	last    []proto.Seq // newest transaction of each pod
	times   []int       // how often each reported
}

func newPastWriter(table *events.Table, objects int) *pastWriter {
	return &pastWriter{
		pods: table.Of(proto.Resource{Name: "pods"}), objects: objects, rng: rand.New(rand.NewPCG(1, 10)),
		at: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), last: make([]proto.Seq, objects), times: make([]int, objects),
	}
}

// group is the next transactions. First every pod is made, in an order that is
// not that of their names; then they report at random.
func (w *pastWriter) group(n int) []proto.Entry {
	out := make([]proto.Entry, 0, n)
	for range n {
		i := w.rng.IntN(w.objects)
		if made := int(w.seq) / 2; made < w.objects {
			i = made * 7919 % w.objects
		}
		out = append(out, w.next(i))
	}
	return out
}

// next is what happens to a pod next: created, bound, then status after status.
func (w *pastWriter) next(i int) proto.Entry {
	w.seq++
	w.at = w.at.Add(100 * time.Millisecond)
	pod, ev := w.pod(i), proto.Event{Kind: "PodStatusChanged", Section: proto.SectionStatus}
	env := &proto.Envelope{
		Seq: w.seq, Term: 1, At: w.at, Actor: "node:node-17", Verb: "update", Via: "agent", Prev: w.prev,
		Cause: proto.Cause{Seq: w.last[i]}, Correlation: "3e1c6bb2-51a9-4a7b-9d94-0c4d2d0b9d11",
	}
	switch w.times[i] {
	case 0:
		ev.Kind, ev.Section = "PodCreated", proto.SectionSpec
		env.Actor, env.Verb, env.Via = "system:replicaset", "create", "replicaset"
		env.Cause = proto.Cause{Request: "3e1c6bb2-51a9-4a7b-9d94-0c4d2d0b9d11"}
	case 1:
		ev.Kind, ev.Section = "PodBound", proto.SectionSpec
		env.Actor, env.Verb, env.Via = "system:scheduler", "bind", "scheduler"
	}
	sections, err := w.pods.Encode(pod)
	if err != nil {
		panic(err)
	}
	ev.Key, ev.UID, ev.Encoding, ev.Body = w.pods.KeyOf(pod), string(pod.UID), proto.EncodingProtobuf, sections.Spec
	if ev.Section == proto.SectionStatus {
		ev.Body = sections.Status
	}
	env.Events = []proto.Event{ev}
	encoded := proto.Encode(env)
	entry := proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
	w.prev, w.last[i] = entry.Hash, w.seq
	w.times[i]++
	return entry
}

// pod is a pod as a Deployment makes it, with the status of its latest report.
func (w *pastWriter) pod(i int) *corev1.Pod {
	uid := fmt.Sprintf("%08d-5f5f-4c4c-8a8a-0123456789ab", i)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pastSpace(i), Name: pastName(i), UID: types.UID(uid), CreationTimestamp: metav1.NewTime(w.at),
			Labels:          map[string]string{"app": "web", "pod-template-hash": uid[:8], "tier": fmt.Sprint("tier-", i%10)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-" + uid[:8], UID: types.UID("r" + uid[1:])}},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, ServiceAccountName: "default", SchedulerName: "default-scheduler",
			Containers: []corev1.Container{{
				Name: "main", Image: "registry.example/team/web:1.27.3", ImagePullPolicy: corev1.PullIfNotPresent,
				Env:       []corev1.EnvVar{{Name: "MODE", Value: "production"}, {Name: "LISTEN", Value: ":8080"}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("64Mi")}},
			}},
		},
	}
	if w.times[i] == 0 {
		return pod
	}
	pod.Spec.NodeName = fmt.Sprintf("node-%d", i%100)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), HostIP: "192.168.17.4", QOSClass: corev1.PodQOSBurstable,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(w.at)},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(w.at)},
		},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", Image: "registry.example/team/web:1.27.3", Ready: true, RestartCount: int32(w.times[i]),
			ImageID:     "registry.example/team/web@sha256:" + strings.Repeat("0123456789abcdef", 4),
			ContainerID: fmt.Sprintf("docker://%064x", uint64(i)<<20|uint64(w.times[i])),
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(w.at)}},
		}},
	}
	return pod
}
