package undo_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/undo"
	"segno/proto"
)

func config(name string, data ...string) events.Create {
	out := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{}}
	for i := 0; i+1 < len(data); i += 2 {
		out.Data[data[i]] = data[i+1]
	}
	return events.Create{Key: configMaps.Key("team", name), Object: out}
}

func web(replicas int32, image string) events.Create {
	labels := map[string]string{"app": "web"}
	return events.Create{Key: deployments.Key("team", "web"), Object: &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "web", Image: image}},
				Volumes:    []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			}},
		},
	}}
}

func patch(key proto.ObjectKey, data string) events.Patch {
	return events.Patch{Key: key, Type: types.StrategicMergePatchType, Data: []byte(data)}
}

func remove(key proto.ObjectKey) events.Delete { return events.Delete{Key: key} }

var (
	cm  = configMaps.Key("team", "app")
	dep = deployments.Key("team", "web")
)

// TestE12Undo tells what becomes of one transaction after others.
func TestE12Undo(t *testing.T) {
	tests := []struct {
		name  string
		run   func(l *log) proto.Seq // what is undone
		force bool
		want  string
	}{
		{"a scale", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			return l.do(ada, patch(dep, `{"spec":{"replicas":0}}`))
		}, false, "update deployments/web spec.replicas:0→3\n"},
		{"a scale, with another field changed since", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			seq := l.do(ada, patch(dep, `{"spec":{"replicas":0}}`))
			l.do(bob, patch(dep, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"a:2"}]}}}}`))
			return seq
		}, false, "update deployments/web spec.replicas:0→3\n"},
		{"a scale, scaled again since", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			seq := l.do(ada, patch(dep, `{"spec":{"replicas":0}}`))
			l.do(bob, patch(dep, `{"spec":{"replicas":1}}`))
			return seq
		}, false, "conflict deployments/web spec.replicas 3 now 1 by user:bob at 5\n"},
		{"a scale, scaled again since, by force", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			seq := l.do(ada, patch(dep, `{"spec":{"replicas":0}}`))
			l.do(bob, patch(dep, `{"spec":{"replicas":1}}`))
			return seq
		}, true, "update deployments/web spec.replicas:1→3\nconflict deployments/web spec.replicas 3 now 1 by user:bob at 5 forced\n"},
		{"what was set back since", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			seq := l.do(ada, patch(dep, `{"spec":{"replicas":0}}`))
			l.do(bob, patch(dep, `{"spec":{"replicas":3}}`))
			return seq
		}, false, "already deployments/web: it is so since 5, by user:bob (segno do)\n"},
		{"two fields, one of which changed since", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1", "b", "1"))
			seq := l.do(ada, patch(cm, `{"data":{"a":"2","b":"2"}}`))
			l.do(bob, patch(cm, `{"data":{"b":"3","c":"3"}}`))
			return seq
		}, false, "update configmaps/app data.a:\"2\"→\"1\"\nconflict configmaps/app data.b \"1\" now \"3\" by user:bob at 5\n"},
		{"keys that came and went", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1"))
			return l.do(ada, patch(cm, `{"data":{"a":null,"b":"2"},"metadata":{"labels":{"x/y":"z"}}}`))
		}, false, "update configmaps/app data.a:→\"1\" data.b:\"2\"→ metadata.labels[x/y]:\"z\"→\n"},
		{"a container added, its image changed since", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			seq := l.do(ada, patch(dep, `{"spec":{"template":{"spec":{"containers":[{"name":"extra","image":"e:1"}]}}}}`))
			l.do(bob, patch(dep, `{"spec":{"template":{"spec":{"containers":[{"name":"extra","image":"e:2"}]}}}}`))
			return seq
		}, false, "conflict deployments/web spec.template.spec.containers[extra]  now {…} by user:bob at 5\n"},
		{"a creation", func(l *log) proto.Seq { return l.do(ada, config("app", "a", "1")) }, false, "delete configmaps/app\n"},
		{"a creation, changed since", func(l *log) proto.Seq {
			seq := l.do(ada, config("app", "a", "1"))
			l.do(bob, patch(cm, `{"data":{"a":"2"}}`))
			return seq
		}, false, "conflict configmaps/app data.a  now \"2\" by user:bob at 4\nleft configmaps/app: it is not deleted: it was changed since\n"},
		{"a creation, changed since, by force", func(l *log) proto.Seq {
			seq := l.do(ada, config("app", "a", "1"))
			l.do(bob, patch(cm, `{"data":{"a":"2"}}`))
			return seq
		}, true, "delete configmaps/app\nconflict configmaps/app data.a  now \"2\" by user:bob at 4 forced\n"},
		{"a creation, changed by the control plane since", func(l *log) proto.Seq {
			seq := l.do(ada, web(3, "a:1"))
			l.because("system:deployment", seq, patch(dep, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}`))
			return seq
		}, false, "delete deployments/web\n"},
		{"a creation of what is gone", func(l *log) proto.Seq {
			seq := l.do(ada, config("app", "a", "1"))
			l.do(bob, remove(cm))
			return seq
		}, false, "already configmaps/app: it is gone since 4, by user:bob (segno do)\n"},
		{"a creation of what was made again by somebody else", func(l *log) proto.Seq {
			seq := l.do(ada, config("app", "a", "1"))
			l.do(bob, remove(cm))
			l.do(bob, config("app", "a", "1"))
			return seq
		}, false, "conflict configmaps/app   now  by user:bob at 5\nleft configmaps/app: it is not deleted: it was changed since\n"},
		{"a deletion", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1"))
			return l.do(ada, remove(cm))
		}, false, "create configmaps/app\n"},
		{"a deletion that was undone, with a revision that the control plane counts anew", func(l *log) proto.Seq {
			l.do(ada, web(3, "a:1"))
			l.do("system:deployment", patch(dep, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}`))
			seq := l.do(ada, remove(dep))
			_, undone := l.undo(false, seq)
			l.because("system:deployment", undone, patch(dep, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}`))
			return seq
		}, false, "already deployments/web: it is so since 6, by user:ada (segno do)\n"},
		{"a deletion of what was made again", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1", "b", "1"))
			seq := l.do(ada, remove(cm))
			l.do(bob, config("app", "a", "2", "b", "1"))
			return seq
		}, false, "conflict configmaps/app data.a \"1\" now \"2\" by user:bob at 5\n"},
		{"a deletion of what was made again with less", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1", "b", "2"))
			seq := l.do(ada, remove(cm))
			l.do(bob, config("app", "a", "9"))
			return seq
		}, false, "conflict configmaps/app data.a \"1\" now \"9\" by user:bob at 5\nconflict configmaps/app data.b \"2\" now  by user:bob at 5\n"},
		{"a deletion of what was made again with less, by force", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1", "b", "2"))
			seq := l.do(ada, remove(cm))
			l.do(bob, config("app", "a", "9"))
			return seq
		}, true, `update configmaps/app data.a:"9"→"1" data.b:→"2"
conflict configmaps/app data.a "1" now "9" by user:bob at 5 forced
conflict configmaps/app data.b "2" now  by user:bob at 5 forced
`},
		{"a change of what is gone", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1"))
			seq := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
			l.do(bob, remove(cm))
			return seq
		}, false, "left configmaps/app: it is gone since 5, by user:bob: undo that, too: segno undo 5\n"},
		{"several objects in one transaction", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1"))
			create := config("other", "a", "1")
			create.UID = l.uid()
			return l.do(ada, events.Batch{create, patch(cm, `{"data":{"a":"2"}}`)})
		}, false, "delete configmaps/other\nupdate configmaps/app data.a:\"2\"→\"1\"\n"},
		{"a deletion of a pod with a controller", func(l *log) proto.Seq {
			seq := l.do(ada, web(1, "a:1"))
			yes := true
			p := barePod("web-1")
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-abc", UID: "u", Controller: &yes}}
			l.because("system:replicaset", seq, events.Create{Key: podRes.Key("team", "web-1"), Object: p})
			return l.do(ada, remove(podRes.Key("team", "web-1")))
		}, false, "left pods/web-1: replicaset/web-abc makes another one where one is wanted\n"},
		{"a cordon", func(l *log) proto.Seq {
			l.do("join:t", events.Create{Key: nodeRes.Key("", "n1"), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}})
			return l.do(ada, patch(nodeRes.Key("", "n1"), `{"spec":{"unschedulable":true}}`))
		}, false, "update nodes/n1 spec.unschedulable:true→\n"},
		{"an apply, applied again since", func(l *log) proto.Seq {
			l.do(ada, config("app", "a", "1", "b", "1"))
			seq := l.do(ada, patch(cm, `{"data":{"a":"2"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"one"}}}`))
			l.do(bob, patch(cm, `{"data":{"b":"2"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"two"}}}`))
			return seq
		}, false, "update configmaps/app data.a:\"2\"→\"1\"\n"},
		{"a server-side apply", func(l *log) proto.Seq {
			l.apply(ada, cm, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"app"},"data":{"a":"1"}}`)
			return l.apply(ada, cm, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"app"},"data":{"a":"2","b":"2"}}`)
		}, false, "update configmaps/app data.a:\"2\"→\"1\" data.b:\"2\"→\n"},
		{"the type of a service, to one with a node port", func(l *log) proto.Seq {
			l.do(ada, service("web", "10.96.7.7", 0, corev1.ServiceTypeClusterIP))
			return l.do(ada, patch(serviceRes.Key("team", "web"), `{"spec":{"type":"NodePort"}}`))
		}, false, "update services/web spec.externalTrafficPolicy:\"Cluster\"→ spec.ports[80].nodePort:…→ spec.type:\"NodePort\"→\"ClusterIP\"\n"},
		{"the type of a service, to one without an address", func(l *log) proto.Seq {
			l.do(ada, service("web", "10.96.7.7", 0, corev1.ServiceTypeClusterIP))
			return l.do(ada, patch(serviceRes.Key("team", "web"), `{"spec":{"type":"ExternalName","externalName":"a.b","clusterIP":"","clusterIPs":null}}`))
		}, false, "update services/web spec.clusterIP:→\"10.96.7.7\"…"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			plan, _ := l.undo(test.force, test.run(l))
			if !like(describe(plan), test.want) {
				t.Errorf("got\n%s\nwant\n%s", describe(plan), test.want)
			}
		})
	}
}

func service(name, ip string, port int32, kind corev1.ServiceType) events.Create {
	return events.Create{Key: serviceRes.Key("team", name), Object: &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		Type: kind, ClusterIP: ip, Selector: map[string]string{"a": "b"}, Ports: []corev1.ServicePort{{Port: 80, NodePort: port}},
	}}}
}

// apply is a server-side apply.
func (l *log) apply(actor proto.Actor, key proto.ObjectKey, data string) proto.Seq {
	l.t.Helper()
	seq, err := l.submit(events.Command{Actor: actor, Via: "segno apply", Manager: "segno", Action: events.Patch{
		Key: key, Type: types.ApplyYAMLPatchType, Data: []byte(data), CreateUID: l.uid(),
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	return seq
}

// like compares texts; … stands for anything up to what follows.
func like(got, want string) bool {
	for i, part := range strings.Split(want, "…") {
		at := strings.Index(got, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		got = got[at+len(part):]
	}
	return got == "" || strings.HasSuffix(want, "…")
}

func barePod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "a:1"}}}}
}

// TestE12UndoRefuses says why, and what to do instead.
func TestE12UndoRefuses(t *testing.T) {
	l := newLog(t)
	l.all = append(l.all, &proto.Envelope{Seq: 3, Actor: "system:sequencer", Verb: events.VerbElect, Events: []proto.Event{{Section: proto.SectionMark}}})
	made := l.do(ada, web(3, "a:1"))
	status := l.because("system:deployment", made, events.Patch{Key: dep, Subresource: "status", Type: types.MergePatchType, Data: []byte(`{"status":{"replicas":3}}`)})
	follows := l.because("system:replicaset", status, patch(dep, `{"metadata":{"labels":{"a":"b"}}}`))
	own := l.do(ada, events.Patch{Key: dep, Subresource: "status", Type: types.MergePatchType, Data: []byte(`{"status":{"replicas":2}}`)})
	l.do("join:t", events.Create{Key: nodeRes.Key("", "n1"), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}})
	pod := podRes.Key("team", "p")
	l.do(ada, events.Create{Key: pod, Object: barePod("p")})
	bound := l.do(ada, events.Bind{Key: pod, Node: "n1"})
	ran := l.do("node:n1", events.Patch{Key: pod, Subresource: "status", Type: types.MergePatchType, Data: []byte(`{"status":{"phase":"Running"}}`)})
	tests := []struct {
		name string
		seqs []proto.Seq
		want string
	}{
		{"nothing", nil, "say which transactions"},
		{"zero", []proto.Seq{0}, "sequences start at 1"},
		{"future", []proto.Seq{99}, "sequence 99 has not happened yet: the log ends at"},
		{"twice", []proto.Seq{made, made}, "is named twice"},
		{"an election", []proto.Seq{3}, "the election of a leader"},
		{"a person's status", []proto.Seq{own}, "it reports a status"},
		{"a controller's status", []proto.Seq{status}, "undo that: segno undo 4"},
		{"what a controller did, two steps on", []proto.Seq{follows}, "system:replicaset did it because of 4 (user:ada: segno do), and would do it again; undo that: segno undo 4"},
		{"what the control plane did by itself", []proto.Seq{1}, "system:namespace did it by itself"},
		{"a binding", []proto.Seq{bound}, "a pod that was put on a node stays there"},
		{"a pod's own life", []proto.Seq{ran}, "node:n1 reported what happened on it; what led to that is told by: segno why pods/p -n team"},
		{"one of several", []proto.Seq{made, ran}, "node:n1 reported"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan, err := l.planner().Undo(test.seqs, true)
			if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want a refusal that says %q", plan, err, test.want)
			}
		})
	}
}

// TestE12UndoOfSeveral takes them back newest first, as one.
func TestE12UndoOfSeveral(t *testing.T) {
	l := newLog(t)
	first := l.do(ada, config("app", "a", "1"))
	second := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
	third := l.do(ada, patch(cm, `{"data":{"a":"3","b":"3"}}`))
	plan := l.planUndo(false, second, third)
	if got := describe(plan); got != "update configmaps/app data.a:\"3\"→\"1\" data.b:\"3\"→\n" {
		t.Errorf("two of three: %s", got)
	}
	if plan.Undo[0] != third {
		t.Errorf("in the order %v", plan.Undo)
	}
	if got := describe(l.planUndo(false, first, third, second)); got != "delete configmaps/app\n" {
		t.Errorf("all of them: %s", got)
	}
	gone := l.do(ada, remove(cm))
	if plan := l.planUndo(false, first, second, third, gone); !plan.Empty() || len(plan.Conflicts) > 0 {
		t.Errorf("a whole life: %s", describe(plan))
	}
	if got := describe(l.planUndo(false, gone, third)); got != "create configmaps/app\n" {
		t.Errorf("a deletion and a change before it: %s", got)
	}
	l.undo(false, gone, third)
	if got := l.get(cm).(*corev1.ConfigMap).Data["a"]; got != "2" {
		t.Errorf("data.a is %s", got)
	}
}

// TestE12ConflictsNameWhoIsNotUndone although what is undone came after.
func TestE12ConflictsNameWhoIsNotUndone(t *testing.T) {
	l := newLog(t)
	l.do(ada, config("app", "a", "1"))
	one := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
	l.do(bob, patch(cm, `{"data":{"a":"3"}}`))
	two := l.do(ada, patch(cm, `{"data":{"a":"4"}}`))
	plan, _ := l.undo(false, one, two)
	if got, want := describe(plan), "update configmaps/app data.a:\"4\"→\"3\"\nconflict configmaps/app data.a \"1\" now \"3\" by user:bob at 5\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestE12AnotherObjectOfTheNameIsLeftAlone, although it has the same value: somebody
// chose that anew. What an undo made again is the same object for people.
func TestE12AnotherObjectOfTheNameIsLeftAlone(t *testing.T) {
	l := newLog(t)
	l.do(ada, config("app", "a", "1"))
	changed := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
	gone := l.do(ada, remove(cm))
	l.undo(false, gone)
	if got, want := describe(l.planUndo(false, changed)), "update configmaps/app data.a:\"2\"→\"1\"\n"; got != want {
		t.Errorf("brought back by an undo: got\n%s\nwant\n%s", got, want)
	}
	l.do(ada, remove(cm))
	made := l.do(bob, config("app", "a", "2"))
	want := fmt.Sprintf("conflict configmaps/app data.a \"1\" now \"2\" by user:bob at %s", made)
	if got := describe(l.planUndo(false, changed)); got != want+"\n" {
		t.Errorf("made anew: got\n%s\nwant\n%s", got, want)
	}
	if got := describe(l.planUndo(true, changed)); got != "update configmaps/app data.a:\"2\"→\"1\"\n"+want+" forced\n" {
		t.Errorf("made anew, by force: got\n%s", got)
	}
}

// TestE12ATaintGoesWithWhatWasFilledIn by the control plane, but not with what a
// person made of it.
func TestE12ATaintGoesWithWhatWasFilledIn(t *testing.T) {
	l := newLog(t)
	key := nodeRes.Key("", "n1")
	l.do("join:t", events.Create{Key: key, Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}})
	tainted := l.do(ada, patch(key, `{"spec":{"taints":[{"key":"k","value":"v","effect":"NoExecute"}]}}`))
	l.do("system:nodelife", patch(key, `{"spec":{"taints":[{"key":"k","value":"v","effect":"NoExecute","timeAdded":"2026-11-23T10:00:00Z"}]}}`))
	if plan := l.planUndo(false, tainted); len(plan.Steps) != 1 || len(plan.Conflicts) != 0 {
		t.Errorf("noted by the control plane: %s", describe(plan))
	}
	if plan, err := l.planner().Restore(key, tainted-1, false); err != nil || len(plan.Steps) != 1 || len(plan.Left) != 0 {
		t.Errorf("restored to before it: %v, %v", plan, err)
	}
	l.do(bob, patch(key, `{"spec":{"taints":[{"key":"k","value":"w","effect":"NoExecute","timeAdded":"2026-11-23T10:00:00Z"}]}}`))
	if plan := l.planUndo(false, tainted); !plan.Empty() || len(plan.Conflicts) != 1 {
		t.Errorf("changed by a person since: %s", describe(plan))
	}
}

// TestE12UndoOfAnUndo brings back what was undone.
func TestE12UndoOfAnUndo(t *testing.T) {
	l := newLog(t)
	l.do(ada, config("app", "a", "1"))
	changed := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
	_, undone := l.undo(false, changed)
	_, redone := l.undo(false, undone)
	if got := l.get(cm).(*corev1.ConfigMap).Data["a"]; got != "2" {
		t.Errorf("after the redo data.a is %s", got)
	}
	if env := l.all[redone-1]; env.Cause.Seq != undone {
		t.Errorf("its cause is %s", env.Cause.Seq)
	}
	gone := l.do(ada, remove(cm))
	_, back := l.undo(false, gone)
	l.undo(false, back)
	if l.get(cm) != nil {
		t.Error("after the redo of a deletion the object is there")
	}
}

// TestE12UndeletedObjects come back as far as they can.
func TestE12UndeletedObjects(t *testing.T) {
	l := newLog(t)
	yes := true
	l.do(ada, web(3, "a:1"))
	owner := []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: l.get(dep).GetUID()},
		{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "u", BlockOwnerDeletion: &yes},
	}
	owned := config("app", "a", "1")
	owned.Object.SetOwnerReferences(owner)
	owned.Object.SetFinalizers([]string{"example.com/f"})
	l.do(ada, owned)
	l.do(ada, remove(cm))
	l.do(bob, patch(cm, `{"data":{"late":"1"}}`)) // while it waits for its finalizer
	last := l.do(ada, patch(cm, `{"metadata":{"finalizers":null}}`))
	if l.get(cm) != nil {
		t.Fatal("it is still there")
	}
	plan, _ := l.undo(false, last)
	got := l.get(cm).(*corev1.ConfigMap)
	if len(got.OwnerReferences) != 1 || got.OwnerReferences[0].Name != "web" || got.DeletionTimestamp != nil || got.Data["late"] != "1" || len(got.Finalizers) != 1 {
		t.Errorf("%+v", got)
	}
	if text := losses(plan.Lost); !strings.Contains(text, "that it belongs to configmap/gone: that one is gone") || !strings.Contains(text, "its UID") {
		t.Errorf("lost: %s", text)
	}

	again := l.do(ada, events.Batch{remove(cm), patch(cm, `{"metadata":{"finalizers":null}}`)})
	l.do(ada, remove(dep))
	l.do(ada, web(1, "a:1"))
	l.undo(false, again)
	if refs := l.get(cm).GetOwnerReferences(); len(refs) != 0 {
		t.Errorf("it belongs to another object of the same name: %+v", refs)
	}

	l.do(ada, events.Create{Key: podRes.Key("team", "p"), Object: barePod("p")})
	l.do("join:t", events.Create{Key: nodeRes.Key("", "n1"), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}})
	l.do("system:scheduler", events.Bind{Key: podRes.Key("team", "p"), Node: "n1"})
	asked := l.do(ada, remove(podRes.Key("team", "p")))
	if got := describe(l.planUndo(false, asked)); got != "left pods/p: it is still being deleted: undo again once it is gone\n" {
		t.Errorf("a pod that ends: %s", got)
	}
	now := int64(0)
	l.do("node:n1", events.Delete{Key: podRes.Key("team", "p"), Options: metav1.DeleteOptions{GracePeriodSeconds: &now}})
	plan, _ = l.undo(false, asked)
	if pod := l.get(podRes.Key("team", "p")).(*corev1.Pod); pod.Spec.NodeName != "" || pod.Status.Phase != corev1.PodPending || pod.DeletionTimestamp != nil {
		t.Errorf("%+v", pod)
	}
	if text := losses(plan.Lost); !strings.Contains(text, "its containers and what they wrote") {
		t.Errorf("lost: %s", text)
	}

	node := l.do(ada, remove(nodeRes.Key("", "n1")))
	if plan := l.planUndo(false, node); !plan.Empty() || !strings.Contains(losses(plan.Lost), "a node is a machine") {
		t.Errorf("a node: %s %s", describe(plan), losses(plan.Lost))
	}
	gone := l.do(ada, remove(dep))
	if text := losses(l.planUndo(false, gone).Lost); !strings.Contains(text, "its pods and what they wrote, to emptyDir volumes too: new ones are made") {
		t.Errorf("lost: %s", text)
	}
}

// TestE12PodsAreLostOnce: an object that has none has none to replace.
func TestE12PodsAreLostOnce(t *testing.T) {
	l := newLog(t)
	l.do(ada, web(3, "a:1"))
	seq := l.do(ada, patch(dep, `{"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"web","image":"a:2"}]}}}}`))
	if got, want := losses(l.planUndo(false, seq).Lost), "web: the pods that it had, and what they wrote, to emptyDir volumes too: new ones are made\n"; got != want {
		t.Errorf("of none: got\n%swant\n%s", got, want)
	}
	l.do(ada, patch(dep, `{"spec":{"replicas":1}}`))
	l.do(ada, patch(dep, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"a:3"}]}}}}`))
	plan, err := l.planner().Restore(dep, seq-1, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := losses(plan.Lost), "web: its present pods and what they wrote, to emptyDir volumes too: new ones take their place\n"; got != want {
		t.Errorf("of one: got\n%swant\n%s", got, want)
	}
}

func losses(notes []undo.Note) (out string) {
	for _, n := range notes {
		out += n.Object.Name + ": " + n.Text + "\n"
	}
	return out
}

// TestE12UndeletedServices keep their addresses where these are free.
func TestE12UndeletedServices(t *testing.T) {
	l := newLog(t)
	key := serviceRes.Key("team", "web")
	l.do(ada, service("web", "", 0, corev1.ServiceTypeNodePort))
	was := l.get(key).(*corev1.Service).Spec
	l.undo(false, l.do(ada, remove(key)))
	if is := l.get(key).(*corev1.Service).Spec; is.ClusterIP != was.ClusterIP || is.Ports[0].NodePort != was.Ports[0].NodePort {
		t.Errorf("%+v, was %+v", is, was)
	}
	gone := l.do(ada, remove(key))
	l.do(bob, service("other", was.ClusterIP, was.Ports[0].NodePort, corev1.ServiceTypeNodePort))
	plan, _ := l.undo(false, gone)
	if is := l.get(key).(*corev1.Service).Spec; is.ClusterIP == was.ClusterIP || is.ClusterIP == "" || is.Ports[0].NodePort == was.Ports[0].NodePort {
		t.Errorf("%+v, was %+v", is, was)
	}
	if text := losses(plan.Lost); !strings.Contains(text, "its address "+was.ClusterIP+": services/other in team has it by now") || !strings.Contains(text, "its node port") {
		t.Errorf("lost: %s", text)
	}
}

// TestE12UndeletedBalancers give up the port for health checks that another service
// has by now.
func TestE12UndeletedBalancers(t *testing.T) {
	l := newLog(t)
	key := serviceRes.Key("team", "web")
	balancer := service("web", "", 0, corev1.ServiceTypeLoadBalancer)
	balancer.Object.(*corev1.Service).Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	l.do(ada, balancer)
	was := l.get(key).(*corev1.Service).Spec.HealthCheckNodePort
	gone := l.do(ada, remove(key))
	l.do(bob, service("other", "", was, corev1.ServiceTypeNodePort))
	plan, _ := l.undo(false, gone)
	if is := l.get(key).(*corev1.Service).Spec.HealthCheckNodePort; was == 0 || is == 0 || is == was {
		t.Errorf("%d, was %d", is, was)
	}
	if text := losses(plan.Lost); !strings.Contains(text, fmt.Sprintf("its health check node port %d: services/other in team has it by now", was)) {
		t.Errorf("lost: %s", text)
	}
}

// TestE12LargePlansTakeSeveralTransactions, since not everything fits one message.
func TestE12LargePlansTakeSeveralTransactions(t *testing.T) {
	l := newLog(t)
	const size, count = 900 << 10, 6
	for i := range count {
		l.do(ada, config("large-"+strconv.Itoa(i), "a", strings.Repeat("x", size)))
	}
	at := proto.Seq(len(l.all))
	l.endTeam()
	before := len(l.all)
	plan := l.restore(team, at, false)
	if len(plan.Steps) != count+1 || plan.Steps[0].Object.Resource != "namespaces" {
		t.Errorf("%s", describe(plan))
	}
	if n := len(l.all) - before; n < 2 || n > count {
		t.Errorf("carried out in %d transactions", n)
	}
}
