package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/cli/api/history/diffs"
)

// differences reads an answer: the span, "name change spec status" of each object,
// and the counts.
func (c client) differences(query string, headers ...string) (span *diffs.Span, objects []string, stat *diffs.Stat) {
	c.Helper()
	answer := c.get(historyPath+"diff?"+query, headers...)
	if answer.code != 200 {
		c.Fatal(answer)
	}
	counts := func(part *diffs.Part) string {
		if part == nil {
			return "-"
		}
		return fmt.Sprintf("+%d-%d", part.Added, part.Removed)
	}
	for text := range strings.Lines(answer.body) {
		var line diffs.Line
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			c.Fatalf("%v in %s", err, text)
		}
		switch {
		case stat != nil:
			c.Errorf("behind the counts: %s", text)
		case line.Span != nil:
			span = line.Span
		case line.Object != nil:
			o := line.Object
			if o.Change == diffs.Replaced { // within a second, or not: its lines are as many
				objects = append(objects, o.Name+" replaced")
				continue
			}
			objects = append(objects, fmt.Sprintf("%s %s %s %s", o.Name, o.Change, counts(o.Spec), counts(o.Status)))
		case line.Stat != nil:
			stat = line.Stat
		}
	}
	if span == nil || stat == nil {
		c.Fatalf("no span, or no end:\n%s", answer.body)
	}
	return span, objects, stat
}

// TestE7DiffOfMany compares moments: a namespace, everything, one object.
func TestE7DiffOfMany(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	shop(t, c)
	conf := "resource=configmaps&namespace=shop&name=conf&"
	tests := []struct {
		query string
		want  []string
	}{
		{"namespace=shop&from=5&to=9", []string{"conf created +10-0 -"}},
		{"namespace=shop&from=6&to=8", []string{"conf changed +1-1 -"}},
		{"namespace=shop&from=8&to=10", []string{"conf deleted +0-8 -"}},
		{"namespace=shop&from=6&to=11", []string{"conf replaced"}},
		{"namespace=shop&from=5&to=10", []string{"conf passed - -"}},
		{"namespace=shop&from=9&to=9", nil},
		{"from=5&to=8", []string{"web changed +1-1 -", "conf created +8-0 -"}},
		{"from=5&to=8&resource=deployments&group=apps", []string{"web changed +1-1 -"}},
		{"from=6&section=status", []string{"conf replaced"}},
		{conf + "from=6&to=9", []string{"conf changed +4-2 -"}},
		{conf + "from=1&to=10", []string{"conf passed - -"}},
		{conf + "from=11", nil},
		{"namespace=shop&from=1h&to=8", []string{"conf created +8-0 -"}},
	}
	for _, test := range tests {
		_, got, stat := c.differences(test.query)
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", test.query, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		if stat.Objects+stat.Passed != len(got) {
			t.Errorf("%s: %d objects, counted %+v", test.query, len(got), stat)
		}
	}
	span, _, _ := c.differences("namespace=shop&from=1h&to=8")
	if len(span.Gaps) != 1 || span.Gaps[0].Sort != diffs.Unrecorded || span.Gaps[0].To.Seq != 1 {
		t.Errorf("the log begins in between: %+v", span)
	}
	if span, objects, _ := c.differences("namespace=shop&from=5&stat=true"); len(span.Gaps) > 0 || len(objects) != 1 {
		t.Errorf("%+v, %v", span, objects)
	}
	past := c.get("/at/8" + historyPath + "diff?namespace=shop&from=6")
	if !strings.Contains(past.body, `"to":{"seq":8,`) || !strings.Contains(past.body, `+  a: \"2\"\n`) {
		t.Errorf("as of 8: %s", past.body)
	}
	for query, text := range map[string]string{
		"namespace=shop":                    "the parameter from is required",
		"namespace=shop&from=x":             "must be a sequence",
		"namespace=shop&from=9&to=5":        "lies behind",
		"namespace=shop&from=99":            "has not happened yet",
		"namespace=shop&from=1&section=x":   "must be spec, status or all",
		"resource=nodes&namespace=a&from=1": "nodes are in no namespace",
	} {
		c.status(c.get(historyPath+"diff?"+query), 400, metav1.StatusReasonBadRequest, text)
	}
	c.status(c.get(historyPath+"diff?from=1&resource=pods&namespace=shop&name=none"), 404, metav1.StatusReasonNotFound, "none")
}

// TestE7WhoMayNotListSeesNothing of a comparison, either.
func TestE7WhoMayNotListSeesNothing(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Authorizer = lister{} })}
	shop(t, c)
	if _, got, _ := c.differences("namespace=shop&from=5", asJane); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	c.status(c.get(historyPath+"diff?from=5", asJane), 403, metav1.StatusReasonForbidden, "jane")
	c.status(c.get(historyPath+"diff?from=5&resource=configmaps&namespace=shop&name=conf", asJane), 403, metav1.StatusReasonForbidden, "cannot get")
}
