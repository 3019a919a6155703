package events

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

func TestO4O5QueryMatches(t *testing.T) {
	table := testTable()
	pod := newPod("a")
	pod.Labels = map[string]string{"app": "web"}
	pod.OwnerReferences = []metav1.OwnerReference{{UID: "o1"}, {UID: "o2"}}
	pod.Spec.NodeName, pod.Status.Phase = "n1", corev1.PodRunning
	parse := func(text string) labels.Selector {
		s, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		query Query
		want  bool
	}{
		"everything":           {Query{}, true},
		"namespace":            {Query{Namespace: "default"}, true},
		"other namespace":      {Query{Namespace: "other"}, false},
		"label":                {Query{Labels: parse("app=web")}, true},
		"label in set":         {Query{Labels: parse("app in (web,db),!gone")}, true},
		"other label":          {Query{Labels: parse("app!=web")}, false},
		"nothing":              {Query{Labels: labels.Nothing()}, false},
		"empty label selector": {Query{Labels: labels.Everything()}, true},
		"name":                 {Query{Fields: fields.OneTermEqualSelector("metadata.name", "a")}, true},
		"other name":           {Query{Fields: fields.OneTermEqualSelector("metadata.name", "b")}, false},
		"namespace field":      {Query{Fields: fields.OneTermEqualSelector("metadata.namespace", "default")}, true},
		"own fields":           {Query{Fields: fields.ParseSelectorOrDie("spec.nodeName=n1,status.phase!=Failed")}, true},
		"own field not":        {Query{Fields: fields.ParseSelectorOrDie("spec.nodeName=n1,status.phase!=Running")}, false},
		"empty field selector": {Query{Fields: fields.Everything()}, true},
		"second owner":         {Query{Owner: "o2"}, true},
		"other owner":          {Query{Owner: "o3"}, false},
		"node":                 {Query{Node: "n1"}, true},
		"other node":           {Query{Node: "n2"}, false},
		"one of two wrong":     {Query{Node: "n1", Labels: parse("app=db")}, false},
	} {
		if got := c.query.Matches(table.Of(pods), pod); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if (&Query{Node: "n1"}).Matches(table.Of(configMaps), &corev1.ConfigMap{}) {
		t.Error("only pods are on a node")
	}
	if !(&Query{Fields: fields.ParseSelectorOrDie("metadata.name=x")}).Matches(table.Of(configMaps), &corev1.ConfigMap{ObjectMeta: meta("x")}) {
		t.Error("a kind without fields of its own has a name")
	}
}

func TestO5UnknownFieldsAreRefused(t *testing.T) {
	kind := testTable().Of(pods)
	for text, ok := range map[string]bool{
		"": true, "metadata.name=a,metadata.namespace!=b": true, "spec.nodeName=": true, "spec.color=red": false, "status.phase=Running,x=y": false,
	} {
		err := (&Query{Fields: fields.ParseSelectorOrDie(text)}).Check(kind)
		if (err == nil) != ok || err != nil && !apierrors.IsBadRequest(err) {
			t.Errorf("%q: %v", text, err)
		}
	}
	want := "field label not supported: spec.color (pods can be selected by metadata.name, metadata.namespace, spec.nodeName, status.phase)"
	if err := (&Query{Fields: fields.ParseSelectorOrDie("spec.color=red")}).Check(kind); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := (&Query{}).Check(kind); err != nil {
		t.Error(err)
	}
}

func TestSelectiveIsBeyondTheNamespace(t *testing.T) {
	for want, queries := range map[bool][]Query{
		false: {{}, {Namespace: "a", Limit: 3}, {Labels: labels.Everything(), Fields: fields.Everything()}},
		true:  {{Owner: "o"}, {Node: "n"}, {Labels: labels.Nothing()}, {Fields: fields.ParseSelectorOrDie("metadata.name=a")}},
	} {
		for _, q := range queries {
			if q.Selective() != want {
				t.Errorf("%+v: want %v", q, want)
			}
		}
	}
}

func TestTypedReads(t *testing.T) {
	c := newCluster(t)
	key := c.pod("a")
	c.pod("b")
	if pod, ok, err := GetAs[*corev1.Pod](c, key); err != nil || !ok || pod.Name != "a" {
		t.Errorf("got %v, %v, %v", pod, ok, err)
	}
	if _, ok, err := GetAs[*corev1.Pod](c, pods.Key("default", "none")); err != nil || ok {
		t.Errorf("none: %v, %v", ok, err)
	}
	if _, ok, err := GetAs[*corev1.Node](c, key); err != nil || ok {
		t.Errorf("another type: %v, %v", ok, err)
	}
	if list, err := ListAs[*corev1.Pod](c, Query{Resource: pods}); err != nil || len(list) != 2 || list[1].Name != "b" {
		t.Errorf("list %v, %v", list, err)
	}
	if _, err := ListAs[*corev1.Pod](broken{c}, Query{Resource: pods}); err == nil {
		t.Error("an error was lost")
	}
	if kind := c.table.ForKind(corev1.SchemeGroupVersion.WithKind("Pod")); kind == nil || kind.Resource != pods {
		t.Errorf("kind %v", kind)
	}
}
