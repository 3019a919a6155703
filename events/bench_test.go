package events

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"segno/proto"
)

// frozen serves decoded objects, as a projection does.
type frozen struct {
	seq     proto.Seq
	objects map[proto.ObjectKey]Object
}

func (f frozen) Seq() proto.Seq                          { return f.seq }
func (f frozen) Get(key proto.ObjectKey) (Object, error) { return f.objects[key], nil }
func (f frozen) List(Query) (page Page, err error)       { return page, nil }
func (c *cluster) freeze(keys ...proto.ObjectKey) (f frozen) {
	f = frozen{seq: c.seq, objects: map[proto.ObjectKey]Object{}}
	for _, key := range append(keys, namespaces.Key("", "default")) {
		f.objects[key] = c.get(key)
	}
	return f
}

func BenchmarkCreateConfigMap(b *testing.B) {
	c := newCluster(b)
	view := c.freeze()
	cm := &corev1.ConfigMap{Data: map[string]string{"a": strings.Repeat("x", 512), "b": strings.Repeat("y", 512)}}
	cm.Labels = map[string]string{"app": "web", "tier": "front"}
	cmd := Command{Actor: "user:admin", Action: Create{Key: configMaps.Key("default", "web-config"), Object: cm, UID: "0d5c1b1e-8c39-4d83-8b1c-0a9b76f4e1d2"}}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decide(c.table, view, cmd, at); err != nil {
			b.Fatal(err)
		}
	}
}

// fullPod has about what a running nginx pod of a Deployment has.
func fullPod() *corev1.Pod {
	pod := newPod("web-6f7d8c9b5-abcde")
	pod.GenerateName = "web-6f7d8c9b5-"
	pod.Labels = map[string]string{"app": "web", "pod-template-hash": "6f7d8c9b5"}
	box := &pod.Spec.Containers[0]
	box.Ports = []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
	box.Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("64Mi")}
	box.Env = []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}
	box.VolumeMounts = []corev1.VolumeMount{{Name: "kube-api-access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "kube-api-access", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	return pod
}

const runningPatch = `{"status":{"phase":"Running","hostIP":"10.0.0.1","podIP":"10.244.1.17","podIPs":[{"ip":"10.244.1.17"}],
	"startTime":"2026-11-23T12:00:00Z","conditions":[
	{"type":"Initialized","status":"True","lastTransitionTime":"2026-11-23T12:00:00Z"},
	{"type":"Ready","status":"True","lastTransitionTime":"2026-11-23T12:00:01Z"},
	{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-11-23T12:00:01Z"}],
	"containerStatuses":[{"name":"c","ready":true,"started":true,"restartCount":0,"image":"nginx:1.9.1","imageID":"sha256:abc",
	"containerID":"docker://0123456789abcdef","state":{"running":{"startedAt":"2026-11-23T12:00:01Z"}}}]}}`

func benchPod(b *testing.B, action func(key proto.ObjectKey) Action) {
	c := newCluster(b)
	c.node("n1")
	pod := fullPod()
	key := pods.Key("default", pod.Name)
	c.must(Create{Key: key, Object: pod, UID: "0d5c1b1e-8c39-4d83-8b1c-0a9b76f4e1d2"})
	c.must(Bind{Key: key, Node: "n1"})
	view := c.freeze(key, nodes.Key("", "n1"))
	cmd := Command{Actor: "node:n1", Action: action(key)}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		d, err := Decide(c.table, view, cmd, at)
		if err != nil || len(d.Events) == 0 {
			b.Fatal(len(d.Events), err)
		}
	}
}

func BenchmarkPatchPodStatus(b *testing.B) {
	benchPod(b, func(key proto.ObjectKey) Action {
		return Patch{Key: key, Subresource: SubStatus, Type: types.StrategicMergePatchType, Data: []byte(runningPatch), Validation: ValidateStrict}
	})
}

func BenchmarkMergePatchPodLabel(b *testing.B) {
	benchPod(b, func(key proto.ObjectKey) Action {
		return Patch{Key: key, Type: types.MergePatchType, Data: []byte(`{"metadata":{"labels":{"x":"y"}}}`)}
	})
}

func BenchmarkUpdatePodStatus(b *testing.B) {
	benchPod(b, func(key proto.ObjectKey) Action {
		pod := fullPod()
		pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.244.1.17", HostIP: "10.0.0.1"}
		return Update{Key: key, Subresource: SubStatus, Object: pod}
	})
}

func BenchmarkCreatePod(b *testing.B) {
	c := newCluster(b)
	view := c.freeze()
	pod := fullPod()
	cmd := Command{Actor: "user:admin", Action: Create{Key: pods.Key("default", pod.Name), Object: pod, UID: "u"}}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decide(c.table, view, cmd, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBatchOf100(b *testing.B) {
	c := newCluster(b)
	view := c.freeze()
	var batch Batch
	for i := range 100 {
		pod := fullPod()
		pod.Name = fmt.Sprintf("web-%d", i)
		batch = append(batch, Create{Key: pods.Key("default", pod.Name), Object: pod, UID: types.UID(pod.Name)})
	}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decide(c.table, view, Command{Action: batch}, at); err != nil {
			b.Fatal(err)
		}
	}
}
