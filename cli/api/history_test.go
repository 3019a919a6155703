package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

const historyPath = "/apis/history.segno/v1/"

// TestE5History shows each revision with who, how and what changed.
func TestE5History(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	say := "Segno-Command: "
	first := c.do("POST", deploymentsPath, strings.Replace(deploymentJSON, `"selector"`, `"replicas":2,"selector"`, 1), say+"segno create -f web.yaml")
	if first.code != 201 {
		t.Fatal(first)
	}
	c.do("PATCH", deploymentsPath+"/web/scale", `{"spec":{"replicas":4}}`, say+"segno scale", "Content-Type: application/merge-patch+json")
	c.do("PATCH", deploymentsPath+"/web", `{"metadata":{"labels":{"a.b/c":"d"}},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"a:2"}]}}}}`, say+"segno set image", "Content-Type: application/strategic-merge-patch+json")
	c.do("DELETE", deploymentsPath+"/web", "", say+"segno delete")
	c.do("POST", deploymentsPath, deploymentJSON, say+"segno create again")

	var list history.List
	c.into(c.get(historyPath+"history?group=apps&resource=deployments&namespace=default&name=web"), 200, &list)
	var got []string
	for _, r := range list.Revisions {
		line := fmt.Sprintf("%s %s %s %s", r.Actor, r.Verb, r.Via, r.Events[0].Fact)
		if r.Created {
			line += " created"
		}
		if r.Deleted {
			line += " deleted"
		}
		got = append(got, line)
	}
	want := []string{
		"user:admin create segno create -f web.yaml DeploymentCreated created",
		"user:admin patch segno scale DeploymentScaled",
		"user:admin patch segno set image DeploymentTemplateChanged",
		"user:admin delete segno delete DeploymentDeleted deleted",
		"user:admin create segno create again DeploymentCreated created",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if id := first.header.Get("Audit-Id"); list.Revisions[0].Request != id || list.Revisions[0].Correlation != id {
		t.Errorf("%+v, request %s", list.Revisions[0], id)
	}
	if got := changes(list.Revisions[1]); got != `spec.replicas 2 → 4` {
		t.Errorf("scale: %s", got)
	}
	if got := changes(list.Revisions[2]); got != `metadata.labels[a.b/c]  → "d"; spec.template.spec.containers[c].image "a:1" → "a:2"` {
		t.Errorf("set image: %s", got)
	}
	if list.Revisions[3].UID == list.Revisions[4].UID {
		t.Error("two incarnations have two UIDs")
	}

	var short history.List
	c.into(c.get(historyPath+"history?group=apps&resource=deployments&namespace=default&name=web&limit=3"), 200, &short)
	if len(short.Revisions) != 3 || !short.More || changes(short.Revisions[0]) != changes(list.Revisions[2]) {
		t.Errorf("the newest three: %+v", short)
	}
	var past history.List
	c.into(c.get(fmt.Sprintf("/at/%d%shistory?group=apps&resource=deployments&namespace=default&name=web", list.Revisions[1].Seq, historyPath)), 200, &past)
	if len(past.Revisions) != 2 {
		t.Errorf("as of the second: %+v", past)
	}
	// What came since does not count against the limit, be it more than that.
	asOfFirst := fmt.Sprintf("/at/%d%s%%s?group=apps&resource=deployments&namespace=default&name=web&limit=1", list.Revisions[0].Seq, historyPath)
	c.into(c.get(fmt.Sprintf(asOfFirst, "history")), 200, &past)
	if len(past.Revisions) != 1 || past.More || past.Revisions[0].Seq != list.Revisions[0].Seq {
		t.Errorf("the newest as of the first: %+v", past)
	}
	var why history.Why
	c.into(c.get(fmt.Sprintf(asOfFirst, "why")), 200, &why)
	if len(why.Roots) != 1 || why.Roots[0].Seq != list.Revisions[0].Seq {
		t.Errorf("why, as of the first: %+v", why)
	}
	c.into(c.get(fmt.Sprintf("%shistory?group=apps&resource=deployments&namespace=default&name=web&limit=2&before=%d", historyPath, short.Revisions[0].Seq)), 200, &past)
	if len(past.Revisions) != 2 || past.More || past.Revisions[1].Seq != list.Revisions[1].Seq {
		t.Errorf("the page before the newest three: %+v", past)
	}
	c.status(c.get(historyPath+"history?resource=pods&namespace=default&name=none&before=x"), 400, metav1.StatusReasonBadRequest, "must be a sequence")
	c.status(c.get(historyPath+"history?resource=pods&namespace=default&name=none"), 404, metav1.StatusReasonNotFound, `pods "none" not found`)
	c.status(c.get(historyPath+"history?resource=pods&name=none"), 400, metav1.StatusReasonBadRequest, "the parameter namespace is required")
	c.status(c.get(historyPath+"history?resource=nonsense&name=none"), 400, metav1.StatusReasonBadRequest, `resource "nonsense"`)
	c.status(c.get(historyPath+"why"), 400, metav1.StatusReasonBadRequest, "resource and name are required")
	c.status(c.get(historyPath+"blame?resource=pods&namespace=default&name=none", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.get(historyPath+"blame?resource=pods&namespace=default&name=none"), 404, metav1.StatusReasonNotFound, `pods "none" not found`)
	c.status(c.get(historyPath+"nonsense"), 404, metav1.StatusReasonNotFound, "could not find")
	c.status(c.do("POST", historyPath+"history", "{}"), 405, metav1.StatusReasonMethodNotAllowed, "not supported")
	c.status(c.get(historyPath+"history?resource=pods&namespace=default&name=none", asJane), 403, metav1.StatusReasonForbidden, "jane")
}

func changes(r history.Revision) string {
	var out []string
	for _, c := range r.Changes {
		if strings.HasPrefix(c.Path, "metadata.annotations") {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s → %s", c.Path, c.Old, c.New))
	}
	return strings.Join(out, "; ")
}

// chained makes a deployment by a request, and what controllers would make of
// it: each because of the one before.
func chained(t testing.TB, c client) (request string) {
	answer := c.do("POST", deploymentsPath, deploymentJSON, "Segno-Command: segno apply -f web.yaml")
	if answer.code != 201 {
		t.Fatal(answer)
	}
	cause := c.Folds[proto.StreamEvents].Position().Seq
	because := func(actor proto.Actor, action events.Action) {
		out, err := c.Logs.Submit(t.Context(), events.Command{Actor: actor, Via: string(actor), Cause: proto.Cause{Seq: cause}, Correlation: answer.header.Get("Audit-Id"), Action: action})
		if err != nil {
			t.Fatal(err)
		}
		cause = out.Seq
	}
	pods := proto.Resource{Name: "pods"}
	pod := podNamed("web-1", "c")
	because("system:replicaset", events.Create{Key: pods.Key("default", "web-1"), Object: pod, UID: "pod-1"})
	c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	because("system:scheduler", events.Bind{Key: pods.Key("default", "web-1"), Node: "n1"})
	because("node:n1", events.Patch{Key: pods.Key("default", "web-1"), Subresource: "status", Type: types.MergePatchType, Data: []byte(`{"status":{"phase":"Running"}}`)})
	return answer.header.Get("Audit-Id")
}

// TestE8Why walks from a pod back to the person's apply.
func TestE8Why(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	request := chained(t, c)
	var why history.Why
	c.into(c.get(historyPath+"why?resource=pods&namespace=default&name=web-1"), 200, &why)
	if len(why.Roots) != 1 {
		t.Fatalf("%+v", why)
	}
	root := why.Roots[0]
	if root.Actor != "user:admin" || root.Via != "segno apply -f web.yaml" || root.Request != request || root.Own || root.Events[0].Object.Name != "web" {
		t.Errorf("root: %+v", root)
	}
	node, depth := root, 0
	for _, want := range []string{"system:replicaset PodCreated", "system:scheduler PodBound", "node:n1 PodStarted"} {
		if len(node.Children) != 1 {
			t.Fatalf("below %+v: %d", node.Transaction, len(node.Children))
		}
		node, depth = node.Children[0], depth+1
		if got := fmt.Sprintf("%s %s", node.Actor, node.Events[0].Fact); got != want || !node.Own {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// tail reads the lines of a stream of transactions.
func (c client) tail(query string) (out []history.Transaction) {
	c.Helper()
	answer := c.get(historyPath + "events?" + query)
	if answer.code != 200 {
		c.Fatal(answer)
	}
	for _, line := range strings.Split(strings.TrimSuffix(answer.body, "\n"), "\n") {
		if line == "" {
			continue
		}
		var tx history.Transaction
		if err := json.Unmarshal([]byte(line), &tx); err != nil {
			c.Fatalf("%v in %s", err, line)
		}
		out = append(out, tx)
	}
	return out
}

// TestE15Events reads the log line by line, filtered, and follows it.
func TestE15Events(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	request := chained(t, c)
	for query, want := range map[string]int{
		"":                                8,
		"limit=2":                         2,
		"from=7":                          2,
		"from=2&to=3":                     2,
		"from=0":                          8,
		"from=1h":                         8,
		"resource=pods":                   3,
		"resource=deployments":            0, // the group belongs to the resource
		"resource=deployments&group=apps": 1,
		"namespace=default":               4,
		"name=web-1&fact=PodBound":        1,
		"actor=node:n1":                   1,
		"verb=bind":                       1,
		"correlation=" + request:          4,
		"stream=notes":                    0,
	} {
		if got := c.tail(query); len(got) != want {
			t.Errorf("%s: got %d, want %d: %+v", query, len(got), want, got)
		}
	}
	body := c.tail("resource=pods&verb=bind&bodies=true")[0].Events[0].Body
	if !strings.Contains(string(body), `"nodeName":"n1"`) || strings.Contains(string(body), "status") {
		t.Errorf("the section: %s", body)
	}
	c.status(c.get(historyPath+"events?stream=nonsense"), 400, metav1.StatusReasonBadRequest, "must be one of EVENTS")
	c.status(c.get(historyPath+"events?from=nonsense"), 400, metav1.StatusReasonBadRequest, "nonsense")

	r, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+historyPath+"events?follow=true&resource=configmaps", nil)
	if err != nil {
		t.Fatal(err)
	}
	live, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	lines := bufio.NewScanner(live.Body)
	for _, name := range []string{"a", "b"} {
		c.Create(t, configMap(name))
		var tx history.Transaction
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &tx) != nil || tx.Events[0].Object.Name != name {
			t.Fatalf("followed: %s", lines.Text())
		}
	}
}

// TestE13Verify proves all three logs and says how far it is.
func TestE13Verify(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	chained(t, c)
	answer := c.get(historyPath + "verify")
	results := map[string]*history.Result{}
	for _, line := range strings.Split(strings.TrimSpace(answer.body), "\n") {
		var v history.Verification
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Error != "" {
			t.Fatalf("%v %s", err, line)
		}
		if v.Result != nil {
			results[v.Stream] = v.Result
		}
	}
	truth := results[proto.StreamEvents]
	if len(results) != 3 || truth == nil || truth.Problem != "" || truth.Events != 8 || truth.StateHash != c.Folds[proto.StreamEvents].StateHash().String() {
		t.Errorf("%+v\n%s", results, answer.body)
	}
}
