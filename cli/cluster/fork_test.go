package cluster

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
)

// as asks the API as somebody, and answers the status and the body.
func (w *world) as(user api.User, method, path, body string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(api.WithUser(w.ctx, user), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	w.cluster.Handler().ServeHTTP(answer, r)
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.Code, string(data)
}

const forksPath = "/apis/history.segno/v1/forks"

// forkNow makes a fork, and answers a client of it and its own credential.
func (w *world) forkNow(name string) (*world, api.User) {
	w.t.Helper()
	if code, body := w.as(person, http.MethodPost, forksPath, fmt.Sprintf(`{"name":%q}`, name)); code != http.StatusOK {
		w.t.Fatalf("make the fork %s: %d: %s", name, code, body)
	}
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "http://segno/fork/" + name, Transport: w.http.Transport, QPS: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	door, _ := w.cluster.forks.Door(name)
	fork := &world{t: w.t, cluster: w.cluster, ctx: w.ctx, client: client, http: w.http}
	return fork, api.User{Name: "fork:" + name, Groups: []string{door.Group}}
}

func (w *world) scale(replicas int) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	if _, err := w.client.AppsV1().Deployments(space).Patch(w.ctx, "web", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// summary counts what there is, as far as two runs of one story have to agree.
func (w *world) summary() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for _, p := range w.pods() {
		out["pod of "+p.Spec.Containers[0].Image+" "+string(p.Status.Phase)]++
		if isReady(&p) {
			out["ready"]++
		}
	}
	sets, err := w.client.AppsV1().ReplicaSets(space).List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range sets.Items {
		out[fmt.Sprintf("replicaset of %d, %d ready", *s.Spec.Replicas, s.Status.ReadyReplicas)]++
	}
	d, err := w.client.AppsV1().Deployments(space).Get(w.ctx, "web", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	out["updated"], out["available"] = int(d.Status.UpdatedReplicas), int(d.Status.AvailableReplicas)
	return out
}

func TestE11AForkDoesWhatTheClusterDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, slow)
		w.create(web(5, oldImage))
		w.settled(5, oldImage)
		time.Sleep(time.Minute)
		fork, _ := w.forkNow("twin")
		for _, one := range []*world{w, fork} {
			one.scale(8)
			one.setImage(newImage)
		}
		time.Sleep(3 * time.Minute)
		for _, one := range []*world{w, fork} {
			if err := one.client.CoreV1().Pods(space).Delete(w.ctx, one.pods()[0].Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			one.scale(6)
		}
		time.Sleep(3 * time.Minute)
		live, there := w.summary(), fork.summary()
		if !maps.Equal(live, there) || live["ready"] != 6 {
			t.Errorf("the cluster has come to %v\nand its fork to %v", live, there)
		}

		// The past of the fork is its parent's up to where it began.
		var then, now history.List
		w.ask(&then, "/fork/twin/at/6m30s/apis/history.segno/v1/history?group=apps&resource=deployments&namespace=%s&name=web", space)
		if len(then.Revisions) == 0 || !then.Revisions[0].Created {
			t.Errorf("before it began: %+v", then)
		}
		w.ask(&now, "/fork/twin/apis/history.segno/v1/history?group=apps&resource=deployments&namespace=%s&name=web", space)
		if !slices.ContainsFunc(now.Revisions, func(r history.Revision) bool { return r.Actor == "user:ada" && r.Verb == events.VerbPatch }) {
			t.Errorf("the fork's own history: %+v", now)
		}
		if now.Earlier != nil || now.More || len(now.Revisions) == 0 || !now.Revisions[0].Created {
			t.Errorf("the fork's own history does not begin with the parent's first: %+v", now)
		}
	})
}

func TestE11AForkCannotTouchTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 3})
		w.create(web(3, oldImage))
		w.settled(3, oldImage)
		fork, own := w.forkNow("try")
		w.forkNow("other")
		synctest.Wait()
		before := w.cluster.ledgers.events().Position()

		// The credential of the fork opens the fork, and nothing else.
		pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"intruder"},"spec":{"containers":[{"name":"c","image":"i"}]}}`
		const pods = "/api/v1/namespaces/default/pods"
		for _, ask := range [][3]string{
			{"GET", "/api", ""}, {"GET", "/apis", ""}, {"GET", "/openapi/v3", ""}, {"GET", pods, ""}, {"POST", pods, pod},
			{"GET", "/at/3" + pods, ""}, {"DELETE", pods + "/" + w.pods()[0].Name, ""}, {"GET", forksPath, ""},
			{"POST", forksPath, `{"name":"more"}`}, {"DELETE", forksPath + "?name=try", ""},
			{"POST", "/apis/history.segno/v1/advance", `{"name":"try","by":"1m"}`}, {"POST", "/apis/history.segno/v1/whatif", `{}`},
			{"GET", "/fork/other" + pods, ""}, {"GET", "/fork/nope" + pods, ""}, {"GET", "/fork/try/../../" + pods[1:], ""},
			{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"nonResourceAttributes":{"verb":"get","path":"/"}}}`},
			{"GET", "/apis/history.segno/v1/events", ""}, {"GET", "/apis/history.segno/v1/diff?fork=try", ""}, {"GET", "/apis/history.segno/v1/diff?fork=try&resource=pods&namespace=default&name=x", ""},
			{"GET", "/fork/try/apis/history.segno/v1/diff?fork=try", ""}, {"PUT", "/api/v1/nodes/sim-1/status", `{}`},
		} {
			if code, body := w.as(own, ask[0], ask[1], ask[2]); code != http.StatusForbidden && code != http.StatusNotFound || code < 400 {
				t.Errorf("%s %s with the fork's credential: %d: %s", ask[0], ask[1], code, body)
			}
		}
		for _, stranger := range []api.User{{Name: "bob"}, {Name: "eve", Groups: []string{api.GroupForks + "try"}}, {Name: "fork:try"}} {
			if code, _ := w.as(stranger, "GET", "/fork/try"+pods, ""); code != http.StatusForbidden {
				t.Errorf("%v asks the fork: %d", stranger, code)
			}
		}
		if code, body := w.as(own, "POST", "/fork/try"+pods, pod); code != http.StatusCreated {
			t.Fatalf("a pod in the fork with its own credential: %d: %s", code, body)
		}

		// What is done in the fork is done there alone: writes, bindings, evictions.
		victim := fork.pods()[1].Name
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: victim, Namespace: space}}
		if err := fork.client.PolicyV1().Evictions(space).Evict(w.ctx, eviction); err != nil {
			t.Fatal(err)
		}
		if err := fork.client.CoreV1().Nodes().Delete(w.ctx, "sim-2", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		fork.scale(1)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(fork.pods()); n != 2 { // one of the Deployment, and the one by hand
			t.Errorf("the fork has %d pods: %s", n, names(fork.pods()))
		}
		if after := w.cluster.ledgers.events().Position(); after != before {
			t.Errorf("the cluster's log went on from %d to %d", before.Seq, after.Seq)
		}

		// And the other way round.
		w.scale(4)
		w.settled(4, oldImage)
		if d, err := fork.client.AppsV1().Deployments(space).Get(w.ctx, "web", metav1.GetOptions{}); err != nil || *d.Spec.Replicas != 1 {
			t.Errorf("in the fork: %v %v", d, err)
		}

		// Its credential ends with it, also when there is another one of its name.
		if code, body := w.as(person, "DELETE", forksPath+"?name=try", ""); code != http.StatusOK {
			t.Fatalf("remove: %d: %s", code, body)
		}
		if code, body := w.as(own, "GET", "/fork/try"+pods, ""); code != http.StatusForbidden || !strings.Contains(body, "segno fork rm try") {
			t.Errorf("the removed fork answers its credential with %d: %s", code, body)
		}
		if code, _ := w.as(person, "GET", "/fork/try"+pods, ""); code != http.StatusNotFound {
			t.Errorf("the removed fork answers a master with %d", code)
		}
		_, again := w.forkNow("try")
		if code, _ := w.as(own, "GET", "/fork/try"+pods, ""); code != http.StatusForbidden || slices.Equal(own.Groups, again.Groups) {
			t.Errorf("the next fork of the name takes the old credential: %d", code)
		}
		if _, err := fork.client.CoreV1().Pods(space).List(w.ctx, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

func TestE11AVirtualClockStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		if code, body := w.as(person, http.MethodPost, forksPath, `{"name":"still","virtual":true}`); code != http.StatusOK {
			t.Fatal(body)
		}
		w.forkNow("runs")
		time.Sleep(time.Hour)
		synctest.Wait()
		var list history.Forks
		w.ask(&list, forksPath)
		if len(list.Forks) != 2 {
			t.Fatalf("%+v", list)
		}
		runs, still := list.Forks[0], list.Forks[1]
		if age := runs.Now.Sub(runs.Begun); age < time.Hour || age > time.Hour+time.Second || still.Now != still.Begun || runs.Nodes != 2 {
			t.Errorf("after an hour: %+v", list.Forks)
		}
		var moved history.Fork
		for _, name := range []string{"still", "runs"} {
			if code, body := w.as(person, http.MethodPost, "/apis/history.segno/v1/advance", fmt.Sprintf(`{"name":%q,"by":"24h"}`, name)); code != http.StatusOK {
				t.Fatal(body)
			}
		}
		w.ask(&list, forksPath)
		runs, still = list.Forks[0], list.Forks[1]
		if runs.Now.Sub(runs.Begun) < 25*time.Hour || still.Now.Sub(still.Begun) != 24*time.Hour || moved.Trouble != "" {
			t.Errorf("after a day: %+v", list.Forks)
		}
		if position := w.cluster.ledgers.events().Position(); position.Seq < still.At {
			t.Error("the fork is ahead of its parent")
		}
	})
}
