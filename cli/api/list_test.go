package api_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/apitest"
)

// names are those of a list.
func names(list corev1.ConfigMapList) string {
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return strings.Join(out, " ")
}

// TestPages shows that all pages are of the state of the first one.
func TestPages(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for i := range 5 {
		c.Create(t, configMap(fmt.Sprintf("m%d", i)))
	}
	var first, second, third corev1.ConfigMapList
	c.into(c.get(mapsPath+"?limit=2"), 200, &first)
	if names(first) != "m0 m1" || first.Continue == "" || first.RemainingItemCount == nil || *first.RemainingItemCount != 3 {
		t.Fatalf("%s %+v", names(first), first.ListMeta)
	}
	c.Create(t, configMap("m11")) // between the pages
	_, _ = c.Logs.Submit(t.Context(), deleteOf(c.Cluster, "m3"))
	c.into(c.get(mapsPath+"?limit=2&continue="+first.Continue), 200, &second)
	if names(second) != "m2 m3" || second.ResourceVersion != first.ResourceVersion {
		t.Fatalf("%s %+v", names(second), second.ListMeta)
	}
	c.into(c.get(mapsPath+"?limit=2&continue="+second.Continue), 200, &third)
	if names(third) != "m4" || third.Continue != "" || third.RemainingItemCount != nil {
		t.Fatalf("%s %+v", names(third), third.ListMeta)
	}
	var exact corev1.ConfigMapList
	c.into(c.get(mapsPath+"?resourceVersionMatch=Exact&resourceVersion="+first.ResourceVersion), 200, &exact)
	if names(exact) != "m0 m1 m2 m3 m4" || exact.ResourceVersion != first.ResourceVersion {
		t.Errorf("exact: %s", names(exact))
	}
	var now corev1.ConfigMapList
	c.into(c.get(mapsPath+"?resourceVersionMatch=NotOlderThan&resourceVersion="+first.ResourceVersion), 200, &now)
	if names(now) != "m0 m1 m11 m2 m4" {
		t.Errorf("not older than: %s", names(now))
	}
}

func TestO4O5Selectors(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, configMap("a", "app", "x", "tier", "front"))
	c.Create(t, configMap("b", "app", "y"))
	c.Create(t, configMap("c"))
	for query, want := range map[string]string{
		"labelSelector=app":                                 "a b",
		"labelSelector=!app":                                "c",
		"labelSelector=app=x":                               "a",
		"labelSelector=app==x,tier":                         "a",
		"labelSelector=app!=x":                              "b c",
		"labelSelector=app+in+(x,y)":                        "a b",
		"labelSelector=app+notin+(x)":                       "b c",
		"fieldSelector=metadata.name=b":                     "b",
		"fieldSelector=metadata.name!=b,metadata.name!=c":   "a",
		"fieldSelector=metadata.namespace=default":          "a b c",
		"fieldSelector=metadata.namespace=other":            "",
		"fieldSelector=metadata.name=b&labelSelector=app=x": "",
		"fieldSelector=metadata.name=nothing":               "",
	} {
		for _, path := range []string{mapsPath, "/api/v1/configmaps"} {
			var list corev1.ConfigMapList
			c.into(c.get(path+"?"+query), 200, &list)
			if names(list) != want {
				t.Errorf("%s?%s: got %q, want %q", path, query, names(list), want)
			}
			if list.Kind != "ConfigMapList" || list.ResourceVersion == "" {
				t.Errorf("%+v", list.TypeMeta)
			}
		}
	}
}

func TestListProblems(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	for query, text := range map[string]string{
		"resourceVersion=x":          `resourceVersion: Invalid value: "x"`,
		"limit=-1":                   `limit: Invalid value: "-1"`,
		"resourceVersionMatch=Exact": "forbidden unless resourceVersion is provided",
		"resourceVersionMatch=Exact&resourceVersion=0":      "forbidden for resourceVersion",
		"sendInitialEvents=true":                            "sendInitialEvents is forbidden for list",
		"continue=abc":                                      "continue key is not valid",
		"labelSelector=app+like+x":                          "labelSelector",
		"fieldSelector=a":                                   "fieldSelector",
		"fieldSelector=spec.x=y":                            `"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"`,
		"resourceVersion=999999":                            "Too large resource version",
		"resourceVersion=999999&resourceVersionMatch=Exact": "Too large resource version",
	} {
		got := c.get(mapsPath + "?" + query)
		var status metav1.Status
		if err := json.Unmarshal([]byte(got.body), &status); err != nil || got.code < 400 || !strings.Contains(status.Message, text) {
			t.Errorf("%s: %d %s", query, got.code, got.body)
		}
	}
}

func TestTables(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, podNamed("p", "c"))
	table := "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
	for query, kind := range map[string]string{"": "PartialObjectMetadata", "?includeObject=Object": "Pod", "?includeObject=None": "<nil>"} {
		answer := c.get("/api/v1/namespaces/default/pods"+query, table)
		if got := answer.header.Get("Content-Type"); got != "application/json;as=Table;v=v1;g=meta.k8s.io" {
			t.Errorf("Content-Type %s", got)
		}
		var got struct {
			Kind, APIVersion  string
			Metadata          metav1.ListMeta
			ColumnDefinitions []metav1.TableColumnDefinition
			Rows              []struct {
				Cells  []any
				Object map[string]any
			}
		}
		c.into(answer, 200, &got)
		if got.Kind != "Table" || got.APIVersion != "meta.k8s.io/v1" || len(got.Rows) != 1 || got.Metadata.ResourceVersion == "" {
			t.Fatalf("%s", answer.body)
		}
		if len(got.Rows[0].Cells) != len(got.ColumnDefinitions) || fmt.Sprint(got.Rows[0].Object["kind"]) != kind {
			t.Errorf("%s", answer.body)
		}
	}
	old := c.get("/api/v1/namespaces/default/pods/p", "Accept: application/json;as=Table;v=v1beta1;g=meta.k8s.io")
	if !strings.Contains(old.body, `"apiVersion":"meta.k8s.io/v1beta1"`) {
		t.Errorf("%s", old.body)
	}
	c.status(c.get("/api/v1/namespaces/default/pods/p?includeObject=All", table), 400, metav1.StatusReasonBadRequest, "includeObject")
	c.status(c.get("/api/v1/pods", "Accept: application/json;as=Table;v=v2;g=meta.k8s.io"), 406, metav1.StatusReasonNotAcceptable, "media types")
}

// TestGzip compresses large answers, and only where that is asked for.
func TestGzip(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	small := c.get("/api/v1/namespaces", "Accept-Encoding: gzip")
	if small.header.Get("Content-Encoding") != "" || small.header.Get("Content-Length") == "" {
		t.Errorf("a small answer: %v", small.header)
	}
	big := configMap("big")
	big.Data["k"] = strings.Repeat("a long text ", 20_000)
	c.Create(t, big)
	for _, path := range []string{mapsPath, mapsPath + "/big"} {
		plain := c.get(path, "Accept-Encoding: identity")
		zipped := c.get(path, "Accept-Encoding: deflate, gzip;q=0.5")
		if plain.header.Get("Content-Encoding") != "" || zipped.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%v %v", plain.header, zipped.header)
		}
		r, err := gzip.NewReader(strings.NewReader(zipped.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || string(text) != plain.body || len(zipped.body) > len(plain.body)/10 {
			t.Errorf("%v, %d and %d bytes", err, len(zipped.body), len(plain.body))
		}
	}
	head := c.do(http.MethodHead, mapsPath+"/big", "")
	if head.code != 200 || head.body != "" {
		t.Errorf("%+v", head)
	}
}
