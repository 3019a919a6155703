package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api/history"
	"segno/events/undo"
	"segno/proto"
)

// post asks for something that must be done.
func (w *world) post(question string, asked any) (plan undo.Plan) {
	w.t.Helper()
	code, body := w.tryPost(question, asked)
	if code != http.StatusOK {
		w.t.Fatalf("POST %s %+v: %d %s", question, asked, code, body)
	}
	if err := json.Unmarshal(body, &plan); err != nil {
		w.t.Fatal(err)
	}
	return plan
}

func (w *world) tryPost(question string, asked any) (code int, body []byte) {
	w.t.Helper()
	data, err := json.Marshal(asked)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.http.Post("http://segno/apis/history.segno/v1/"+question, "application/json", bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, body
}

func (w *world) seq() proto.Seq { return w.cluster.View().Seq() }

// by is the newest transaction of a person.
func (w *world) by(group, resource, namespace, name string) proto.Seq {
	w.t.Helper()
	var past history.List
	w.ask(&past, "/apis/history.segno/v1/history?group=%s&resource=%s&namespace=%s&name=%s", group, resource, namespace, name)
	for _, r := range slices.Backward(past.Revisions) {
		if r.Actor.Person() {
			return r.Seq
		}
	}
	w.t.Fatalf("no person has touched %s/%s", resource, name)
	return 0
}

func TestE12AFatFingeredScaleIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		w.patch(`{"spec":{"replicas":0}}`)
		scaled := w.by("apps", "deployments", space, "web")
		w.settled(0, oldImage)
		plan := w.post("undo", history.UndoRequest{Seqs: []proto.Seq{scaled}, Consent: history.Consent{DryRun: true}})
		if len(plan.Steps) != 1 || len(plan.Lost) != 1 {
			t.Errorf("the plan is %+v", plan)
		}
		time.Sleep(time.Minute) // statuses come and go meanwhile
		done := w.post("undo", history.UndoRequest{Seqs: []proto.Seq{scaled}, Consent: history.Consent{Digest: plan.Digest}})
		w.settled(3, oldImage)

		// The pods that came back say why they are there.
		if len(done.Done) != 1 {
			t.Fatalf("done by %v", done.Done)
		}
		for _, pod := range w.pods() {
			why := w.why(pod.Name)
			text, err := json.Marshal(why)
			if err != nil || !strings.Contains(string(text), `"reason":"Undone"`) || !strings.Contains(string(text), `"takesBack":`+scaled.String()) {
				t.Errorf("why %s: %s %v", pod.Name, text, err)
			}
		}

		// What a controller did is not undone: the person's change is named.
		var past history.List
		w.ask(&past, "/apis/history.segno/v1/history?resource=pods&namespace=%s&name=%s", space, w.pods()[0].Name)
		code, body := w.tryPost("undo", history.UndoRequest{Seqs: []proto.Seq{past.Revisions[0].Seq}})
		if code != http.StatusBadRequest || !strings.Contains(string(body), "undo that: segno undo "+done.Done[0].String()) {
			t.Errorf("what the replicaset did: %d %s", code, body)
		}

		// Undoing the creation ends all of it, and undoing that brings all of it back.
		made := past.Revisions[0].Seq
		for _, r := range w.revisions("apps", "deployments", "web") {
			if r.Created {
				made = r.Seq
			}
		}
		code, body = w.tryPost("undo", history.UndoRequest{Seqs: []proto.Seq{made}})
		if code != http.StatusOK {
			t.Fatalf("%d %s", code, body)
		}
		w.within(5*time.Minute, "no container is left", func() bool { return w.containers() == 0 && len(w.pods()) == 0 })
		w.post("undo", history.UndoRequest{Seqs: []proto.Seq{w.by("apps", "deployments", space, "web")}})
		w.settled(3, oldImage)
	})
}

func (w *world) revisions(group, resource, name string) []history.Revision {
	w.t.Helper()
	var past history.List
	w.ask(&past, "/apis/history.segno/v1/history?group=%s&resource=%s&namespace=%s&name=%s", group, resource, space, name)
	return past.Revisions
}

func TestE12AConfigMapIsUndeletedAndConflictsAreByField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{})
		maps := w.client.CoreV1().ConfigMaps(space)
		patch := func(data string) proto.Seq {
			if _, err := maps.Patch(w.ctx, "app", types.MergePatchType, []byte(`{"data":`+data+`}`), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			return w.by("", "configmaps", space, "app")
		}
		is := func(want string) {
			t.Helper()
			found, err := maps.Get(w.ctx, "app", metav1.GetOptions{})
			if err != nil || fmt.Sprint(found.Data) != want {
				t.Errorf("it is %v %v, want %s", found.Data, err, want)
			}
		}
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "app"}, Data: map[string]string{"a": "1", "b": "1"}}
		if _, err := maps.Create(w.ctx, made, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		first := patch(`{"a":"2","b":"2"}`)
		second := patch(`{"b":"3"}`)
		plan := w.post("undo", history.UndoRequest{Seqs: []proto.Seq{first}})
		is("map[a:1 b:3]")
		if len(plan.Conflicts) != 1 || plan.Conflicts[0].Path != "data.b" || plan.Conflicts[0].By.Seq != second || plan.Conflicts[0].By.Actor != "user:ada" {
			t.Errorf("conflicts %+v", plan.Conflicts)
		}
		w.post("undo", history.UndoRequest{Seqs: []proto.Seq{first}, Force: true})
		is("map[a:1 b:1]")

		if err := maps.Delete(w.ctx, "app", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.post("undo", history.UndoRequest{Seqs: []proto.Seq{w.by("", "configmaps", space, "app")}})
		is("map[a:1 b:1]")
	})
}

func TestE12ANamespaceIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		core := w.client.CoreV1()
		if _, err := core.Namespaces().Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		d := web(3, oldImage)
		d.Namespace = "team"
		w.create(d)
		meta := metav1.ObjectMeta{Name: "web"}
		service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: d.Labels, Ports: []corev1.ServicePort{{Port: 80}}}}
		made, err := core.Services("team").Create(w.ctx, service, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := core.Secrets("team").Create(w.ctx, &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"a": []byte("b")}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		serves := func() bool {
			endpoints, err := core.Endpoints("team").Get(w.ctx, "web", metav1.GetOptions{})
			return err == nil && len(endpoints.Subsets) == 1 && len(endpoints.Subsets[0].Addresses) == 3
		}
		w.within(time.Minute, "all pods serve", serves)
		synctest.Wait()
		then := w.seq()

		team := proto.Object{Resource: "namespaces", Name: "team"}
		back := func() undo.Plan {
			return w.post("restore", history.RestoreRequest{Object: team, At: strconv.Itoa(int(then))})
		}
		if plan := back(); !plan.Empty() || len(plan.Left) > 0 {
			t.Errorf("nothing happened since, and the plan is %+v", plan)
		}
		if err := core.Namespaces().Delete(w.ctx, "team", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		asked := w.by("", "namespaces", "", "team")
		if code, body := w.tryPost("restore", history.RestoreRequest{Object: team, At: then.String()}); code != http.StatusBadRequest || !strings.Contains(string(body), "is being deleted") {
			t.Errorf("while it is deleted: %d %s", code, body)
		}
		gone := func() bool {
			_, err := core.Namespaces().Get(w.ctx, "team", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}
		w.within(5*time.Minute, "the namespace is gone", gone)
		plan := back()
		if len(plan.Steps) != 4 || len(plan.Done) != 1 {
			t.Errorf("the plan is %+v", plan)
		}
		w.within(5*time.Minute, "all pods serve again", serves)
		if again, err := core.Services("team").Get(w.ctx, "web", metav1.GetOptions{}); err != nil || again.Spec.ClusterIP != made.Spec.ClusterIP {
			t.Errorf("the service is %+v %v", again, err)
		}
		synctest.Wait()
		if plan := back(); !plan.Empty() {
			t.Errorf("restored, and the plan is %+v", plan)
		}

		// Undoing the deletion of the namespace is the same from the other end: it is
		// there again, so nothing is left to do.
		if plan := w.post("undo", history.UndoRequest{Seqs: []proto.Seq{asked}}); !plan.Empty() {
			t.Errorf("the plan is %+v", plan)
		}
		if err := core.Namespaces().Delete(w.ctx, "team", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.within(5*time.Minute, "the namespace is gone again", gone)
		w.post("undo", history.UndoRequest{Seqs: []proto.Seq{w.by("", "namespaces", "", "team")}})
		w.within(5*time.Minute, "all pods serve once more", serves)
	})
}
