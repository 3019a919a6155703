package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// shop is a cluster in which something happened in two namespaces: sequences 4
// to 12.
func shop(t *testing.T, c client) {
	t.Helper()
	c.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}) // 4
	deployment := strings.Replace(deploymentJSON, `"selector"`, `"replicas":2,"selector"`, 1)
	maps := "/api/v1/namespaces/shop/configmaps"
	for _, do := range []struct{ method, path, body string }{
		{"POST", deploymentsPath, deployment},                                               // 5
		{"POST", maps, `{"metadata":{"name":"conf"},"data":{"a":"1","b":"1"}}`},             // 6
		{"PATCH", deploymentsPath + "/web/scale", `{"spec":{"replicas":4}}`},                // 7
		{"PATCH", maps + "/conf", `{"data":{"a":"2"}}`},                                     // 8
		{"PATCH", maps + "/conf", `{"metadata":{"labels":{"x.y/z":"1"}},"data":{"b":"2"}}`}, // 9
		{"DELETE", maps + "/conf", ""},                                                      // 10
		{"POST", maps, `{"metadata":{"name":"conf"},"data":{"a":"9"}}`},                     // 11
		{"PATCH", deploymentsPath + "/web", `{"spec":{"replicas":0,"paused":true}}`},        // 12
		{"POST", "/api/v1/namespaces/shop/events", noteJSON},                                // of another log
	} {
		kind := "Content-Type: application/json"
		if do.method == "PATCH" {
			kind = "Content-Type: application/merge-patch+json"
		}
		if r := c.do(do.method, do.path, do.body, kind); r.code > 201 {
			t.Fatal(do, r)
		}
	}
}

const noteJSON = `{"metadata":{"name":"n","namespace":"shop"},"involvedObject":{"kind":"ConfigMap","name":"conf","namespace":"shop"},"reason":"Because"}`

// revisionLines reads the lines of a history of many.
func (c client) revisionLines(query string, headers ...string) (out []string, warnings []string) {
	c.Helper()
	answer := c.get(historyPath+"history?"+query, headers...)
	if answer.code != 200 {
		c.Fatal(answer)
	}
	for line := range strings.Lines(answer.body) {
		out = append(out, c.revisionLine(line))
	}
	return out, answer.header.Values("Warning")
}

func (c client) revisionLine(text string) string {
	c.Helper()
	var l history.Line
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		c.Fatalf("%v in %s", err, text)
	}
	return fmt.Sprintf("%d %s %s", l.Seq, l.Object.Name, l.Events[0].Fact)
}

// TestE5HistoryOfMany: of a namespace, a kind and everything, through filters,
// what is gone included.
func TestE5HistoryOfMany(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	shop(t, c)
	const (
		created = "6 conf ConfigMapCreated"
		a       = "8 conf ConfigMapChanged"
		b       = "9 conf ConfigMapChanged"
		deleted = "10 conf ConfigMapDeleted"
		again   = "11 conf ConfigMapCreated"
		web     = "5 web DeploymentCreated"
		scaled  = "7 web DeploymentScaled"
		zero    = "12 web DeploymentPaused"
	)
	tests := []struct {
		query string
		want  []string
		more  bool
	}{
		{"namespace=shop", []string{created, a, b, deleted, again}, false},
		{"namespace=shop&limit=2", []string{deleted, again}, true},
		{"namespace=shop&limit=5", []string{created, a, b, deleted, again}, false},
		{"namespace=shop&since=8&until=10", []string{a, b, deleted}, false},
		{"namespace=shop&since=8&limit=3", []string{b, deleted, again}, true},
		{"namespace=shop&field=.data.a", []string{created, a, deleted, again}, false},
		{"namespace=shop&field=data", []string{created, a, b, deleted, again}, false},
		{"namespace=shop&field=.metadata.labels[x.y/z]", []string{b, deleted}, false},
		{"namespace=shop&field=.dat", nil, false},
		{"namespace=shop&actor=user:admin&field=.data.a&limit=1", []string{again}, true},
		{"namespace=shop&actor=user:nobody", nil, false},
		{"resource=deployments&group=apps", []string{web, scaled, zero}, false},
		{"resource=deployments&group=apps&field=.spec.replicas&since=6", []string{scaled, zero}, false},
		{"resource=deployments&group=apps&reason=ScaledUp", []string{scaled}, false},
		{"resource=events&namespace=shop", []string{"1 n EventCreated"}, false},
		{"since=4&until=7", []string{"4 shop NamespaceCreated", web, created, scaled}, false},
	}
	for _, test := range tests {
		got, warnings := c.revisionLines(test.query)
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", test.query, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		if (len(warnings) > 0) != test.more {
			t.Errorf("%s: warnings %q, want one: %t", test.query, warnings, test.more)
		}
	}
	for query, text := range map[string]string{
		"namespace=shop&field=.":          "must be a path such as .spec.replicas",
		"namespace=shop&field=a[b":        "brackets must match",
		"namespace=shop&actor=me":         "must be user:NAME, node:NAME",
		"namespace=shop&since=yesterday":  "must be a sequence",
		"namespace=shop&limit=-1":         "not below 0",
		"resource=nodes&namespace=shop":   "nodes are in no namespace",
		"resource=nonsense":               "there is none of that name",
		"namespace=shop&follow=1&until=9": "neither a past moment nor until",
	} {
		c.status(c.get(historyPath+"history?"+query), 400, metav1.StatusReasonBadRequest, text)
	}
}

// TestE5HistoryOfOneThroughFilters is the same of one object, in pages.
func TestE5HistoryOfOneThroughFilters(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	shop(t, c)
	conf := "resource=configmaps&namespace=shop&name=conf&"
	for query, want := range map[string]string{
		conf:                                     "[6 8 9 10 11] 0",
		conf + "field=.data.a":                   "[6 8 10 11] 0",
		conf + "field=.data.a&limit=2":           "[10 11] 10",
		conf + "field=.data.a&limit=2&before=10": "[6 8] 0",
		conf + "since=8&until=9":                 "[8 9] 0",
		conf + "since=7&limit=2":                 "[10 11] 10",
		conf + "limit=2":                         "[10 11] 10",
		conf + "actor=user:nobody":               "[] 0",
		conf + "reason=Nothing":                  "[] 0",
	} {
		var list history.List
		c.into(c.get(historyPath+"history?"+query), 200, &list)
		var seqs []string
		for _, r := range list.Revisions {
			seqs = append(seqs, r.Seq.String())
		}
		if got := fmt.Sprintf("[%s] %d", strings.Join(seqs, " "), list.Next); got != want || list.More != (list.Next > 0) {
			t.Errorf("%s: got %s (more %t), want %s", query, got, list.More, want)
		}
	}
}

// lister lets jane list config maps in shop, and ask.
type lister struct{}

func (lister) Authorize(_ context.Context, user api.User, t api.Target) (bool, string, error) {
	return user.Name != "jane" || t.Group == "history.segno" || t.Verb == "list" && t.Resource == "configmaps" && t.Namespace == "shop", "", nil
}

// TestE5WhoMayNotListSeesNothing: kinds that a user may not list are left out,
// which is said.
func TestE5WhoMayNotListSeesNothing(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Authorizer = lister{} })}
	shop(t, c)
	got, warnings := c.revisionLines("namespace=shop", asJane)
	if len(got) != 5 || len(warnings) == 0 || !strings.Contains(strings.Join(warnings, "\n"), "secrets are left out") {
		t.Errorf("%d lines: %q", len(got), warnings)
	}
	c.status(c.get(historyPath+"history?namespace=default", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.get(historyPath+"history", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.get(historyPath+"history?resource=pods&namespace=shop", asJane), 403, metav1.StatusReasonForbidden, `cannot list resource "pods"`)
}

// TestE5HistoryGoesOn: what was, and then what happens.
func TestE5HistoryGoesOn(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	shop(t, c)
	for _, query := range []string{"namespace=shop&limit=1", "namespace=shop&limit=1&resource=configmaps&name=conf"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+historyPath+"history?follow=true&"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(answer.Body)
		next := func() string {
			if !lines.Scan() {
				t.Fatalf("the answer ended: %v", lines.Err())
			}
			return strings.SplitN(c.revisionLine(lines.Text()), " ", 2)[1]
		}
		if got := next(); got != "conf ConfigMapCreated" && got != "conf ConfigMapChanged" {
			t.Errorf("%s: first %s", query, got)
		}
		for i := range 3 {
			body := fmt.Sprintf(`{"data":{"a":"%s-%d"}}`, query[len(query)-1:], i)
			if r := c.do("PATCH", "/api/v1/namespaces/shop/configmaps/conf", body, "Content-Type: application/merge-patch+json"); r.code != 200 {
				t.Fatal(r)
			}
			c.do("PATCH", deploymentsPath+"/web/scale", fmt.Sprintf(`{"spec":{"replicas":%d}}`, i), "Content-Type: application/merge-patch+json")
			if got := next(); got != "conf ConfigMapChanged" {
				t.Errorf("%s: then %s", query, got)
			}
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestE5TheNewestOfManyTransactions: any number of them, whatever is read at a
// time, and whether there are older ones.
func TestE5TheNewestOfManyTransactions(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, configMap("m")) // 4
	const all = 600
	for i := range all - 1 {
		action := events.Patch{Key: proto.Resource{Name: "configmaps"}.Key("default", "m"), Type: types.MergePatchType, Data: fmt.Appendf(nil, `{"data":{"k":"%d"}}`, i)}
		if i%3 == 0 { // two objects at once
			if _, err := c.Logs.Submit(t.Context(), events.Command{Actor: "user:a", Action: events.Batch{action, events.Create{
				Key: proto.Resource{Name: "configmaps"}.Key("default", fmt.Sprint("n", i)), Object: configMap(fmt.Sprint("n", i)), UID: types.UID(fmt.Sprint("n", i)),
			}}}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := c.Logs.Submit(t.Context(), events.Command{Actor: "user:a", Action: action}); err != nil {
			t.Fatal(err)
		}
	}
	whole, _ := c.revisionLines("namespace=default")
	if len(whole) != all+(all+1)/3 {
		t.Fatalf("%d revisions", len(whole))
	}
	for _, limit := range []int{1, 2, 3, 100, 255, 256, 257, 341, 342, 343, 344, 500, 682, 683, 684, 685, len(whole) - 1, len(whole), len(whole) + 1} {
		got, warnings := c.revisionLines(fmt.Sprintf("namespace=default&limit=%d", limit))
		want := whole[max(0, len(whole)-limit):]
		if strings.Join(got, "\n") != strings.Join(want, "\n") || (len(warnings) > 0) != (limit < len(whole)) {
			t.Errorf("limit %d: %d revisions, warnings %q", limit, len(got), warnings)
		}
	}
}
