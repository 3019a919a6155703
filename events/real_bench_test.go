package events_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// still is a view that never changes: decoded objects, as a projection serves them.
type still map[proto.ObjectKey]events.Object

func (s still) Seq() proto.Seq                                  { return 100 }
func (s still) Get(key proto.ObjectKey) (events.Object, error)  { return s[key], nil }
func (s still) List(events.Query) (page events.Page, err error) { return page, nil }

// benchReal decides over the real table of kinds, on a cluster with one pod on
// one node.
func benchReal(b *testing.B, action func(pod proto.ObjectKey) events.Action) {
	table := kinds.Table()
	view := still{}
	do := func(action events.Action) {
		d, err := events.Decide(table, view, events.Command{Actor: "user:admin", Action: action}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range d.Touched {
			t.Object.SetResourceVersion("100")
			view[t.Key] = t.Object
		}
	}
	key := proto.Resource{Name: "pods"}.Key("default", "web-6f7d8c9b5-abcde")
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "nginx:1.9.1", Ports: []corev1.ContainerPort{{ContainerPort: 80}}}}}}
	pod.Labels = map[string]string{"app": "web", "pod-template-hash": "6f7d8c9b5"}
	do(events.Create{Key: proto.Resource{Name: "namespaces"}.Key("", "default"), Object: &corev1.Namespace{}, UID: "n"})
	do(events.Create{Key: proto.Resource{Name: "nodes"}.Key("", "n1"), Object: &corev1.Node{}, UID: "n"})
	do(events.Create{Key: key, Object: pod, UID: "p"})
	do(events.Bind{Key: key, Node: "n1"})
	cmd := events.Command{Actor: "node:n1", Action: action(key)}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		d, err := events.Decide(table, view, cmd, at)
		if err != nil || len(d.Events) == 0 {
			b.Fatal(len(d.Events), err)
		}
	}
}

func BenchmarkRealCreateConfigMap(b *testing.B) {
	cm := &corev1.ConfigMap{Data: map[string]string{"a": strings.Repeat("x", 512), "b": strings.Repeat("y", 512)}}
	benchReal(b, func(proto.ObjectKey) events.Action {
		return events.Create{Key: proto.Resource{Name: "configmaps"}.Key("default", "web-config"), Object: cm, UID: "u"}
	})
}

func BenchmarkRealCreatePod(b *testing.B) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "nginx:1.9.1", Ports: []corev1.ContainerPort{{ContainerPort: 80}}}}}}
	benchReal(b, func(proto.ObjectKey) events.Action {
		return events.Create{Key: proto.Resource{Name: "pods"}.Key("default", "other"), Object: pod, UID: "u"}
	})
}

const realStatus = `{"status":{"phase":"Running","hostIP":"10.0.0.1","podIP":"10.244.1.17","podIPs":[{"ip":"10.244.1.17"}],
	"startTime":"2026-11-23T12:00:00Z","conditions":[
	{"type":"Initialized","status":"True","lastTransitionTime":"2026-11-23T12:00:00Z"},
	{"type":"Ready","status":"True","lastTransitionTime":"2026-11-23T12:00:01Z"},
	{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-11-23T12:00:01Z"}],
	"containerStatuses":[{"name":"c","ready":true,"started":true,"restartCount":0,"image":"nginx:1.9.1","imageID":"sha256:abc",
	"containerID":"docker://0123456789abcdef","state":{"running":{"startedAt":"2026-11-23T12:00:01Z"}}}]}}`

func BenchmarkRealPatchPodStatus(b *testing.B) {
	benchReal(b, func(pod proto.ObjectKey) events.Action {
		return events.Patch{Key: pod, Subresource: "status", Type: types.StrategicMergePatchType, Data: []byte(realStatus), Validation: events.ValidateStrict}
	})
}

func BenchmarkRealReportPodStatus(b *testing.B) {
	body, _, err := events.DecodeBody(kinds.Table().Of(proto.Resource{Name: "pods"}), events.MediaJSON, []byte(realStatus), events.ValidateStrict)
	if err != nil {
		b.Fatal(err)
	}
	benchReal(b, func(pod proto.ObjectKey) events.Action {
		return events.Update{Key: pod, Subresource: "status", Object: body}
	})
}

func BenchmarkRealServerSideApply(b *testing.B) {
	table := kinds.Table()
	view := still{proto.Resource{Name: "namespaces"}.Key("", "default"): &corev1.Namespace{}}
	cmd := events.Command{Manager: "ann", Action: events.Patch{
		Key: proto.Resource{Group: "apps", Name: "deployments"}.Key("default", "web"), Type: types.ApplyYAMLPatchType, CreateUID: "u",
		Data: []byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: {app: web}},
			template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: "nginx:1"}]}}}}`),
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Decide(table, view, cmd, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
