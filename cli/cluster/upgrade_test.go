package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"segno/cli/upgrade"
	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

// examined is what a version with the given kinds finds in the cluster's log.
func (w *world) examined(table *events.Table) (found []upgrade.Finding, done int) {
	w.t.Helper()
	_, file := w.get("/apis/history.segno/v1/export?secrets=true")
	defer file.Close()
	var out bytes.Buffer
	if err := upgrade.Examine(w.ctx, table, file, &out); err != nil {
		w.t.Fatal(err)
	}
	for lines := json.NewDecoder(&out); ; {
		var line struct {
			Finding *upgrade.Finding
			Done    int
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return found, done
		} else if err != nil {
			w.t.Fatal(err)
		}
		if line.Finding != nil {
			found = append(found, *line.Finding)
		}
		done = max(done, line.Done)
	}
}

// TestE4AnotherVersionIsTriedOnTheHistory lives through a rollout, a scale and
// deletions, and goes through it again: with the same rules everything comes out as
// it did, with others what they change is found.
func TestE4AnotherVersionIsTriedOnTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 3})
		d := w.create(web(3, "nginx:1"))
		w.follow("all run", func() bool { return ready(w.pods(), "") == 3 })
		d.Spec.Template.Spec.Containers[0].Image, d.ResourceVersion = "nginx:2", ""
		if _, err := w.client.AppsV1().Deployments(space).Update(w.ctx, d, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.follow("all are new", func() bool { return ready(w.pods(), "nginx:2") == 3 && len(w.pods()) == 3 })
		if err := w.client.AppsV1().Deployments(space).Delete(w.ctx, "web", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.follow("all are gone", func() bool { return len(w.pods()) == 0 })

		found, done := w.examined(kinds.Table())
		if done != int(w.cluster.View().Seq()) {
			t.Errorf("%d transactions were examined of %s", done, w.cluster.View().Seq())
		}
		for _, f := range found {
			t.Errorf("the same rules: %s %s %s: %s %s %+v", f.Seq, f.Object, f.Fact, f.What, f.Refused, f.Changes)
		}

		strict := kinds.Table()
		strict.Of(proto.Resource{Group: "apps", Name: "deployments"}).Validate = func(events.Object) field.ErrorList {
			return field.ErrorList{field.Forbidden(field.NewPath("spec"), "no more deployments")}
		}
		found, _ = w.examined(strict)
		if len(found) != 1 || found[0].What != upgrade.WhatRefused || found[0].Object != "deployments.apps/default/web" || found[0].Fact != "DeploymentCreated" {
			t.Errorf("a version that refuses deployments: %+v", found)
		}
	})
}
