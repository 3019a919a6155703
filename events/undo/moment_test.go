package undo_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

var team = nsRes.Key("", "team")

// crowded fills the namespace team with what people and the control plane make.
func crowded(l *log) (at proto.Seq) {
	seq := l.do(ada, web(2, "a:1"))
	l.because("system:deployment", seq, patch(dep, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}`))
	yes := true
	owner := []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: l.get(dep).GetUID(), Controller: &yes}}
	owned := config("owned", "a", "1")
	owned.Object.SetOwnerReferences(owner)
	l.because("system:deployment", seq, owned)
	l.do("system:namespace", config("kube-root-ca.crt", "ca", "x"))
	l.do("system:namespace", events.Create{Key: saRes.Key("team", "default"), Object: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}})
	l.do(ada, config("app", "a", "1"))
	l.do(ada, config("other", "a", "1"))
	l.do(ada, events.Create{Key: podRes.Key("team", "p"), Object: barePod("p")})
	return l.do(ada, patch(team, `{"metadata":{"labels":{"tier":"one"}}}`))
}

// TestE12Restore goes back to a moment.
func TestE12Restore(t *testing.T) {
	tests := []struct {
		name  string
		run   func(l *log)
		of    proto.ObjectKey
		prune bool
		want  string
	}{
		{"nothing happened since", func(*log) {}, team, true, "no person has changed any of it since 11\n"},
		{"changed and set back", func(l *log) {
			l.do(bob, patch(dep, `{"spec":{"replicas":5}}`))
			l.do(bob, patch(dep, `{"spec":{"replicas":2}}`))
		}, dep, false, "already deployments/web: it is so since 13, by user:bob (segno do)\n"},
		{"changed, deleted, made", func(l *log) {
			l.do(bob, patch(dep, `{"spec":{"replicas":5}}`))
			l.do(bob, remove(cm))
			l.do(bob, config("late", "a", "1"))
			l.do(bob, patch(team, `{"metadata":{"labels":{"tier":"two"}}}`))
		}, team, false, `update namespaces/team metadata.labels.tier:"two"→"one"
update deployments/web spec.replicas:5→2
create configmaps/app
left configmaps/late: it was made since; --prune deletes it
`},
		{"made, pruned", func(l *log) {
			l.do(bob, config("late", "a", "1"))
			l.do(bob, remove(cm))
		}, team, true, "delete configmaps/late\ncreate configmaps/app\n"},
		{"what the control plane keeps up", func(l *log) {
			l.because("system:deployment", 3, patch(dep, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"2"}}}`))
			l.because("system:autoscaler", 3, patch(dep, `{"spec":{"replicas":5}}`))
			l.do("system:namespace", patch(configMaps.Key("team", "kube-root-ca.crt"), `{"data":{"ca":"y"}}`))
			l.do("system:namespace", remove(configMaps.Key("team", "owned")))
			l.do("system:scheduler", config("by-the-system", "a", "1"))
		}, team, true, "left deployments/web: .spec.replicas stays: system:autoscaler set it\n"},
		{"deleted and made again", func(l *log) {
			l.do(bob, remove(cm))
			l.do(bob, config("app", "a", "2", "b", "2"))
		}, team, true, "update configmaps/app data.a:\"2\"→\"1\" data.b:\"2\"→\n"},
		{"a pod that ran", func(l *log) {
			l.do("join:t", events.Create{Key: nodeRes.Key("", "n1"), Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}})
			l.do("system:scheduler", events.Bind{Key: podRes.Key("team", "p"), Node: "n1"})
		}, team, true, "no person has changed any of it since 11\n"},
		{"one object of several", func(l *log) {
			l.do(bob, patch(cm, `{"data":{"a":"2"}}`))
			l.do(bob, patch(configMaps.Key("team", "other"), `{"data":{"a":"2"}}`))
		}, cm, true, "update configmaps/app data.a:\"2\"→\"1\"\n"},
		{"one object that was made since", func(l *log) { l.do(bob, config("late", "a", "1")) }, configMaps.Key("team", "late"), false,
			"left configmaps/late: it was made since; --prune deletes it\n"},
		{"one object that is gone", func(l *log) { l.do(bob, remove(cm)) }, cm, false, "create configmaps/app\n"},
		{"a namespace that is gone", func(l *log) { l.endTeam() }, team, false, `create namespaces/team
create configmaps/app
create configmaps/other
create deployments/web
create pods/p
`},
		{"one object of a namespace that is gone", func(l *log) { l.endTeam() }, cm, false, "create namespaces/team\ncreate configmaps/app\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLog(t)
			at := crowded(l)
			test.run(l)
			if got := describe(l.restore(test.of, at, test.prune)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// endTeam deletes the namespace team as the control plane does, when ada asks.
func (l *log) endTeam() (asked proto.Seq) {
	asked = l.do(ada, remove(team))
	for _, kind := range l.table.All() {
		if !kind.Namespaced {
			continue
		}
		page, err := l.now().List(events.Query{Resource: kind.Resource, Namespace: "team"})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, obj := range page.Items {
			l.because("system:namespace", asked, remove(kind.KeyOf(obj)))
		}
	}
	ns := events.Copy(l.get(team)).(*corev1.Namespace)
	ns.Spec.Finalizers = nil
	l.because("system:namespace", asked, events.Update{Key: team, Subresource: events.SubFinalize, Object: ns})
	if l.get(team) != nil {
		l.t.Fatal("the namespace is still there")
	}
	return asked
}

// TestE12UndoOfADeletedNamespace brings what was in it back as well.
func TestE12UndoOfADeletedNamespace(t *testing.T) {
	l := newLog(t)
	crowded(l)
	one := l.do(ada, remove(configMaps.Key("team", "other")))
	asked := l.endTeam()
	if got := describe(l.planUndo(false, one)); !like(got, "left configmaps/other: its namespace is gone since …, by user:ada: undo that, too: segno undo …") {
		t.Errorf("what was deleted before it: %s", got)
	}
	if got := describe(l.planUndo(false, one, asked)); !strings.Contains(got, "create namespaces/team\n") || !strings.Contains(got, "create configmaps/other\n") {
		t.Errorf("both: %s", got)
	}
	plan, undone := l.undo(false, asked)
	want := "create namespaces/team\ncreate configmaps/app\ncreate deployments/web\ncreate pods/p\n"
	if got := describe(plan); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if plan.Steps[0].Changes == nil || l.get(team).GetLabels()["tier"] != "one" {
		t.Errorf("the namespace is %+v", l.get(team))
	}
	// A redo deletes the namespace, unless somebody has put something in since.
	if got := describe(l.planUndo(false, undone)); !strings.HasSuffix(got, "delete namespaces/team\n") {
		t.Errorf("the redo: %s", got)
	}
	l.do(bob, config("late", "a", "1"))
	if got := describe(l.planUndo(false, undone)); !strings.Contains(got, "conflict configmaps/late") || strings.Contains(got, "delete namespaces/team") {
		t.Errorf("the redo, with something in it: %s", got)
	}
}

// TestE12RestoreRefuses says why.
func TestE12RestoreRefuses(t *testing.T) {
	l := newLog(t)
	at := crowded(l)
	tests := []struct {
		name string
		of   proto.ObjectKey
		at   proto.Seq
		want string
	}{
		{"no such namespace", nsRes.Key("", "nowhere"), at, "there was no namespace nowhere as of"},
		{"a moment to come", team, 999, "has not happened yet"},
		{"never there", configMaps.Key("team", "none"), at, "there was no configmaps/team/none as of"},
		{"a controller's", configMaps.Key("team", "owned"), at, "is made by deployment/web; restore what people wrote of it: segno restore deployments/web -n team --at"},
		{"a lease", proto.Resource{Group: "coordination.k8s.io", Name: "leases"}.Key("team", "l"), at, "have no history"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan, err := l.planner().Restore(test.of, test.at, false)
			if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want a refusal that says %q", plan, err, test.want)
			}
		})
	}
	l.do(ada, remove(team))
	if _, err := l.planner().Restore(team, at, false); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "is being deleted; restore it once it is gone") {
		t.Errorf("while it is deleted: %v", err)
	}
}

// TestE12PlansThatAreRefused say so in the words of admission.
func TestE12PlansThatAreRefused(t *testing.T) {
	l := newLog(t)
	l.do(ada, config("app", "a", "1"))
	seq := l.do(ada, patch(cm, `{"data":{"a":"2"}}`))
	l.do(ada, patch(cm, `{"immutable":true}`))
	if plan := l.planUndo(false, seq); !strings.Contains(plan.Refused, "immutable") || plan.Empty() {
		t.Errorf("%s", describe(plan))
	}
}
