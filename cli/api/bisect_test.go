package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/cli/api/history"
)

func bisectPath(when string, more ...string) string {
	return historyPath + "bisect?" + strings.Join(append(more, "when="+url.QueryEscape(when)), "&")
}

// TestE10BisectFindsTheTransaction with what it changed, and how it was found.
func TestE10BisectFindsTheTransaction(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1"}}`)
	second := c.write("PUT", configMapsPath+"/app", `{"metadata":{"name":"app"},"data":{"a":"2"}}`)
	third := c.write("PUT", configMapsPath+"/app", `{"metadata":{"name":"app"},"data":{"a":"3"}}`)
	tests := []struct {
		path   string
		method string
		found  uint64
		exact  bool
	}{
		{bisectPath(`object("configmap/app").data.a == "2"`), "revisions", uint64(second), true},
		{bisectPath(`object("configmap/app").data.a == "2"`, "stopped=true", fmt.Sprint("from=", third)), "revisions", uint64(third), true},
		{bisectPath(`object("configmap/app").data.a == "2"`, "namespace=shop"), "revisions", 0, true},
		{bisectPath(`objects("configmaps").exists(c, c.data.a == "3")`), "scan", uint64(third), true},
		{bisectPath(`objects("configmaps").map(c, c.data.a).exists(a, a == "3")`), "binary", uint64(third), false},
		{bisectPath(`objects("configmaps").map(c, c.data.a).exists(a, a == "3")`, "scan=true"), "scan", uint64(third), true},
		{bisectPath(`before.data.a == "1" && after.data.a == "2"`), "scan", uint64(second), true},
		{fmt.Sprintf("/at/%d%s", second, bisectPath(`object("configmap/app").data.a == "3"`)), "revisions", 0, true},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			c := client{t, c.Cluster}
			var got history.Bisection
			c.into(c.get(test.path), 200, &got)
			if got.Method != test.method || got.Exact != test.exact || (got.Found == nil) != (test.found == 0) {
				t.Fatalf("got %+v", got)
			}
			if got.Found != nil && (uint64(got.Found.Seq) != test.found || len(got.Found.Objects) != 1 || got.Found.Objects[0].Changes[0].Path != "data.a") {
				t.Errorf("got %+v", got.Found)
			}
		})
	}
}

// TestE10BisectRefuses what is no question, and who may not ask it.
func TestE10BisectRefuses(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	last := c.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"1"}}`)
	for path, says := range map[string]string{
		historyPath + "bisect":                                "the expression is empty",
		bisectPath(`object("configmap/app").date`):            "column 24: ",
		bisectPath(`object("configmap/app").data.a > 3`):      "cannot be computed with these types",
		bisectPath(`event.seq == 1`, "stopped=true"):          "does not stop being true",
		bisectPath(`true`, "from=9999"):                       "moment 9999 has not happened yet: the log ends at",
		bisectPath(`true`, "from=soon"):                       "moment",
		bisectPath(`true`, "to=1h", "from=now"):               "from now lies behind to 1h: exchange them",
		bisectPath(strings.Repeat("true || ", 999) + "false"): "longer than 4096 characters",
	} {
		c.status(c.get(path), 400, metav1.StatusReasonBadRequest, says)
	}
	if got := c.do("POST", bisectPath(`true`), ""); got.code != 405 {
		t.Errorf("POST: %v", got)
	}
	c.status(c.get(bisectPath(`true`), asJane), 403, metav1.StatusReasonForbidden, "jane")
	for when, rule := range map[string]no{
		`object("configmap/app").data.a == "1"`: {"get", "configmaps"},
		`objects("configmaps").size() > 0`:      {"list", "configmaps"},
		`after.data.a == "1"`:                   {"list", "secrets"},
	} {
		c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Authorizer = rule })}
		c.status(c.get(bisectPath(when)), 403, metav1.StatusReasonForbidden, fmt.Sprintf("cannot %s resource %q", rule.verb, rule.resource))
	}
	// What a transaction did to objects that the user may not read stays untold.
	hidden := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Authorizer = no{"get", "configmaps"} })}
	hidden.write("POST", configMapsPath, `{"metadata":{"name":"app"},"data":{"a":"secret"}}`)
	reply := hidden.get(bisectPath(fmt.Sprintf(`event.seq == %d`, last)))
	var got history.Bisection
	hidden.into(reply, 200, &got)
	if got.Found == nil || len(got.Found.Objects) != 0 {
		t.Errorf("got %+v", got.Found)
	}
}
