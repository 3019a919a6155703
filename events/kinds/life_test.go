package kinds_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

// TestE2LifeOfAPod follows one pod through the facts that are written of it.
func TestE2LifeOfAPod(t *testing.T) {
	c := newCluster(t)
	var story strings.Builder
	tell := func(decision events.Decision, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range decision.Events {
			fmt.Fprintf(&story, "%s %s; ", e.Kind, e.Reason)
		}
		story.WriteByte('\n')
	}
	key := proto.Resource{Name: "pods"}.Key("default", "p")
	report := func(change func(status *corev1.PodStatus)) {
		t.Helper()
		obj, err := c.view.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: obj.GetUID()}}
		change(&pod.Status)
		tell(c.do(events.Update{Key: key, Subresource: "status", Object: pod}))
	}
	c.create("{apiVersion: v1, kind: Node, metadata: {name: n1}}")
	_, obj := load(t, []byte("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: 'a:1'}]}}"))
	tell(c.do(events.Create{Key: key, Object: obj, UID: "u"}))
	tell(c.do(events.Bind{Key: key, Node: "n1"}))
	running := func(ready corev1.ConditionStatus) func(status *corev1.PodStatus) {
		return func(status *corev1.PodStatus) {
			status.Phase, status.PodIP, status.HostIP = corev1.PodRunning, "10.244.0.2", "10.0.0.1"
			status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
			status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		}
	}
	report(running(corev1.ConditionFalse))
	report(running(corev1.ConditionTrue))
	report(running(corev1.ConditionTrue)) // nothing new: nothing is written

	got, err := c.view.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	pod := got.(*corev1.Pod)
	if pod.Status.QOSClass != corev1.PodQOSBestEffort || len(pod.Status.PodIPs) != 1 || len(pod.Status.HostIPs) != 1 {
		t.Errorf("status was not completed: %+v", pod.Status)
	}
	if pod.Spec.NodeName != "n1" || pod.Generation != 1 {
		t.Errorf("generation %d on node %q", pod.Generation, pod.Spec.NodeName)
	}
	tell(c.do(events.Delete{Key: key}))
	report(func(status *corev1.PodStatus) {
		status.Phase = corev1.PodSucceeded
		status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"},
		}}}
	})
	tell(c.do(events.Delete{Key: key, Options: metav1.DeleteOptions{GracePeriodSeconds: new(int64)}}))

	want := strings.TrimLeft(`
PodCreated Requested; PodStatusChanged Requested; 
PodBound Scheduled; PodStatusChanged Requested; 
PodStarted Running; 
PodReady AllReady; 

PodDeletionRequested Requested; 
PodSucceeded Completed; 
PodDeleted Requested; 
`, "\n")
	if story.String() != want {
		t.Errorf("got\n%swant\n%s", story.String(), want)
	}
}

// TestN2NodeStatus: what a node can be given is what it has, unless it says less.
func TestN2NodeStatus(t *testing.T) {
	c := newCluster(t)
	c.create("{apiVersion: v1, kind: Node, metadata: {name: n1}}")
	_, obj := load(t, []byte("{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {capacity: {cpu: '2'}}}"))
	decision, err := c.do(events.Update{Key: proto.Resource{Name: "nodes"}.Key("", "n1"), Subresource: "status", Object: obj})
	if err != nil {
		t.Fatal(err)
	}
	node := decision.Object.(*corev1.Node)
	if cpu := node.Status.Allocatable.Cpu(); cpu.String() != "2" || node.Spec.PodCIDR != "10.244.0.0/24" {
		t.Errorf("allocatable cpu %s, pod network %q", cpu, node.Spec.PodCIDR)
	}
}

// TestO10Replace: the object that was written, written again, is no change,
// whatever the system filled in since.
func TestO10Replace(t *testing.T) {
	for name, doc := range map[string]string{
		"deployment": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: 'a:1'}]}}}}",
		"service":    "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: NodePort, ports: [{port: 80}]}}",
		"pod":        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: 'a:1'}]}}",
		"namespace":  "{apiVersion: v1, kind: Namespace, metadata: {name: n}}",
		"secret":     "{apiVersion: v1, kind: Secret, metadata: {name: s}, type: a/b, stringData: {a: b}}",
		"slice":      "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, addressType: IPv4, ports: [{port: 80}]}",
		"ingress":    "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}",
		"class":      "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: i}, spec: {controller: a.b/c, parameters: {kind: A, name: b}}}",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.create(doc)
			kind, obj := load(t, []byte(doc))
			namespace := ""
			if kind.Namespaced {
				namespace = "default"
			}
			decision, err := c.do(events.Update{Key: kind.Resource.Key(namespace, obj.GetName()), Object: obj})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range decision.Events {
				t.Errorf("writes %s", e.Kind)
			}
		})
	}
}
