package world

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

var config = proto.Resource{Name: "configmaps"}.Key("default", "a")

// saying is a reconciler that answers refusals as the test likes.
type saying struct {
	say func(cm *corev1.ConfigMap) reconcilers.Decision
}

func (saying) Name() string { return "saying" }

func (saying) Watches() []reconcilers.Watch { return nil }

func (saying) Reconcile(events.View, reconcilers.Key, time.Time) (reconcilers.Decision, error) {
	return reconcilers.Decision{}, nil
}

func (s saying) Refused(view events.View, key reconcilers.Key, _ []reconcilers.Refusal, _ time.Time) (reconcilers.Decision, error) {
	cm, _, err := events.GetAs[*corev1.ConfigMap](view, key)
	if err != nil {
		return reconcilers.Decision{}, err
	}
	return s.say(cm), nil
}

// counting counts failures instead of failing.
type counting struct {
	testing.TB
	failures int
}

func (c *counting) Errorf(string, ...any) { c.failures++ }

func TestN6WhatIsSaidToARefusalIsHeldToPurity(t *testing.T) {
	written := func(cm *corev1.ConfigMap, value string) (d reconcilers.Decision) {
		if cm.Data["said"] != value {
			cm = events.Copy(cm)
			cm.Data = map[string]string{"said": value}
			d.Do("Said", events.Update{Key: config, Object: cm})
		}
		return d
	}
	calls := 0
	for _, c := range []struct {
		what string
		fair bool
		say  func(cm *corev1.ConfigMap) reconcilers.Decision
	}{
		{"nothing", true, func(*corev1.ConfigMap) (d reconcilers.Decision) { return d }},
		{"the same once", true, func(cm *corev1.ConfigMap) reconcilers.Decision { return written(cm, "x") }},
		{"something else each time", false, func(cm *corev1.ConfigMap) reconcilers.Decision {
			calls++
			return written(cm, string(rune('a'+calls)))
		}},
		{"ever more", false, func(cm *corev1.ConfigMap) reconcilers.Decision { return written(cm, cm.Data["said"]+"x") }},
		{"into the view", false, func(cm *corev1.ConfigMap) (d reconcilers.Decision) {
			cm.Labels = map[string]string{"said": "x"}
			return d
		}},
	} {
		w := New()
		w.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
		w.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "default"}})
		count := &counting{TB: t}
		held := checked(count, saying{say: c.say}).(reconcilers.Refuser)
		if _, err := held.Refused(w.View(), config, nil, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
		if (count.failures == 0) != c.fair {
			t.Errorf("saying %s fails the test %d times", c.what, count.failures)
		}
	}
}
