package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/proto"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 2*60*60)) // 10:00 UTC
	for text, want := range map[string]api.Moment{
		"1042":                      {Seq: 1042},
		"10m":                       {Time: now.Add(-10 * time.Minute)},
		"1h30m":                     {Time: now.Add(-90 * time.Minute)},
		"1d":                        {Time: now.Add(-24 * time.Hour)},
		"2w":                        {Time: now.Add(-14 * 24 * time.Hour)},
		"1w1d2h":                    {Time: now.Add(-(8*24 + 2) * time.Hour)},
		"2026-11-23T09:00:00Z":      {Time: now.Add(-time.Hour)},
		"2026-11-23T10:00:00+01:00": {Time: now.Add(-time.Hour)},
		"2026-11-23T09:00:00":       {Time: now.Add(-time.Hour)},
		"2026-11-23 11:00:00":       {Time: now.Add(-time.Hour)},
		"2026-11-23 11:00:00.250":   {Time: now.Add(-time.Hour + 250*time.Millisecond)},
		"2026-11-22 12:00":          {Time: now.Add(-24 * time.Hour)},
		"11:00":                     {Time: now.Add(-time.Hour)},
		"11:59:59.5":                {Time: now.Add(-time.Second / 2)},
		"now":                       {Time: now},
	} {
		got, err := api.ParseMoment(text, now)
		if err != nil || got.Seq != want.Seq || !got.Time.Equal(want.Time) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for text, why := range map[string]string{
		"0": "sequences start at 1", "-5m": "future", "2026-11-23T11:00:00Z": "lies in the future", "12:01": "lies in the future", "2026-11-23 12:00:01": "future",
		"25:00": `10:00 or 10:00:30`, "": "must be a sequence", "soon": "must be a sequence",
		"d": "must be a sequence", "1.5d": "must be a sequence", "1d-1h": "must be a sequence", "1d1w": "must be a sequence", "65535w": "must be a sequence",
	} {
		if _, err := api.ParseMoment(text, now); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestE6At reads the whole API as of then, with lists, selectors, tables,
// pages and clients.
func TestE6At(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	first := c.Create(t, configMap("a", "app", "x"))
	events := c.Folds[proto.StreamEvents]
	between, err := events.TimeOf(events.Position().Seq)
	if err != nil {
		t.Fatal(err)
	}
	maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
	if _, err := maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"y"}},"data":{"k":"new"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	c.Create(t, configMap("b", "app", "x"))
	if err := maps.Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, moment := range []string{first.GetResourceVersion(), url.PathEscape(between.UTC().Format(time.RFC3339Nano)), between.UTC().Format(time.RFC3339Nano)} {
		at := "/at/" + moment
		var one corev1.ConfigMap
		c.into(c.get(at+mapsPath+"/a"), 200, &one)
		if one.Data["k"] != "v" || one.ResourceVersion != first.GetResourceVersion() {
			t.Errorf("%s: %+v", moment, one)
		}
		var list corev1.ConfigMapList
		c.into(c.get(at+mapsPath+"?labelSelector=app%3Dx"), 200, &list)
		if names(list) != "a" || list.ResourceVersion != first.GetResourceVersion() {
			t.Errorf("%s: %s at %s", moment, names(list), list.ResourceVersion)
		}
	}
	if got := c.get(mapsPath + "/a"); got.code != 404 {
		t.Errorf("now: %d", got.code)
	}
	config := c.Config()
	config.Host += "/at/" + first.GetResourceVersion()
	past, err := typed(t, config).CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(past.Items) != 1 {
		t.Errorf("a client in the past: %v %v", err, past)
	}
	for _, path := range []string{"/api", "/apis/apps/v1", "/openapi/v3", "/version"} {
		if got := c.get("/at/1" + path); got.code != 200 {
			t.Errorf("%s: %d", path, got.code)
		}
	}
}

func TestE6ThePastIsReadOnly(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, podNamed("p", "c"))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		c.status(c.do(method, "/at/1"+mapsPath+"/a", "{}"), 405, metav1.StatusReasonMethodNotAllowed, "the past is read-only")
	}
	now := c.Folds["EVENTS"].Position().Seq
	c.status(c.get(fmt.Sprintf("/at/%d/api/v1/namespaces/default/pods/p/log", now)), 405, metav1.StatusReasonMethodNotAllowed, "only possible now")
	c.status(c.get(fmt.Sprintf("/at/%d%s", now+1, mapsPath)), 400, metav1.StatusReasonBadRequest, fmt.Sprintf("moment %d has not happened yet: the log ends at %d", now+1, now))
	c.status(c.get("/at/soon/api"), 400, metav1.StatusReasonBadRequest, `moment "soon"`)
	var list corev1.NamespaceList
	c.into(c.get("/at/100h/api/v1/namespaces"), 200, &list)
	if len(list.Items) != 0 {
		t.Errorf("before the beginning: %+v", list)
	}
	if warning := c.get("/at/100h/api/v1/namespaces").header.Get("Warning"); !strings.Contains(warning, "the log begins at 20") {
		t.Errorf("before the beginning: warning %q", warning)
	}
	if warning := c.get("/at/1/api/v1/events").header.Get("Warning"); warning != "" {
		t.Errorf("no notes yet, but a log: warning %q", warning)
	}
	if got := c.do("POST", "/at/1/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", `{"spec":{"nonResourceAttributes":{"verb":"get","path":"/"}}}`); got.code != 201 {
		t.Errorf("a question in the past: %+v", got)
	}
}

// TestE6AWatchFromThePastGoesOn: what was there, what happened since, and what
// happens now; after a list of then, no object comes twice.
func TestE6AWatchFromThePastGoesOn(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	then := c.Create(t, configMap("a", "app", "x")).GetResourceVersion()
	maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
	change := func(value string) {
		t.Helper()
		if _, err := maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"data":{"k":"`+value+`"}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	change("two")
	c.Create(t, configMap("b", "app", "y"))
	whole := c.watch("/at/" + then + mapsPath + "?watch=1")
	defer whole.close()
	if e := whole.expect("ADDED a"); e.Object.Data["k"] != "v" {
		t.Errorf("it began as %v", e.Object.Data)
	}
	after := c.watch("/at/" + then + mapsPath + "?watch=1&resourceVersion=" + then)
	defer after.close()
	selected := c.watch("/at/" + then + mapsPath + "?watch=1&resourceVersion=" + then + "&labelSelector=app%3Dy")
	defer selected.close()
	initial := c.watch("/at/" + then + mapsPath + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
	defer initial.close()
	if e := initial.expect("ADDED a", "BOOKMARK "); e.Object.Metadata.ResourceVersion != then {
		t.Errorf("the bookmark is at %s", e.Object.Metadata.ResourceVersion)
	}
	for _, w := range []*follow{whole, after, initial} {
		if e := w.expect("MODIFIED a"); e.Object.Data["k"] != "two" {
			t.Errorf("then it was %v", e.Object.Data)
		}
		w.expect("ADDED b")
	}
	selected.expect("ADDED b")
	change("three")
	for _, w := range []*follow{whole, after, initial} {
		if e := w.expect("MODIFIED a"); e.Object.Data["k"] != "three" {
			t.Errorf("now it is %v", e.Object.Data)
		}
	}
	c.status(c.get("/at/"+then+mapsPath+"?watch=1&resourceVersion=99999"), 504, metav1.StatusReasonTimeout, "Too large resource version")
}

// TestE6AgesAreThen shows ages as they were, in every log.
func TestE6AgesAreThen(t *testing.T) {
	now := time.Now()
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.Now = func() time.Time { return now.Add(time.Hour) } })}
	c.Create(t, podNamed("p", "c"))
	note := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "n", Namespace: "default"}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "p"}}
	c.Create(t, note)
	seq := c.Folds["EVENTS"].Position().Seq
	table := "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
	if got := c.get("/api/v1/pods", table); !strings.Contains(got.body, `"60m"`) {
		t.Errorf("now: %s", got.body)
	}
	if got := c.get(fmt.Sprintf("/at/%d/api/v1/pods", seq), table); !strings.Contains(got.body, `"0s"`) {
		t.Errorf("then: %s", got.body)
	}
	var notes corev1.EventList
	c.into(c.get(fmt.Sprintf("/at/%d/api/v1/events", seq)), 200, &notes)
	if len(notes.Items) != 0 {
		t.Errorf("the note came after sequence %d: %+v", seq, notes)
	}
	c.into(c.get("/at/30m/api/v1/events"), 200, &notes)
	if len(notes.Items) != 1 {
		t.Errorf("half an hour ago there was a note: %+v", notes)
	}
}
