package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"segno/cli/api"
	"segno/cli/api/apitest"
)

// follow reads a watch line by line.
type follow struct {
	client
	lines *bufio.Scanner
	close func()
}

func (c client) watch(path string, headers ...string) *follow {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	if answer.StatusCode != 200 {
		c.Fatalf("watch %s: %s", path, answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 4<<20)
	return &follow{client: c, lines: lines, close: func() { cancel(); _ = answer.Body.Close() }}
}

// event is a watch event, as far as tests look.
type event struct {
	Type   string
	Object struct {
		Kind     string
		Metadata metav1.ObjectMeta
		Data     map[string]string
		Code     int
		Rows     []struct {
			Cells  []any
			Object metav1.PartialObjectMetadata
		}
		ColumnDefinitions []metav1.TableColumnDefinition
	}
}

func (e event) String() string {
	return fmt.Sprintf("%s %s", e.Type, e.Object.Metadata.Name)
}

// next reads one event; ok is false at the end of the stream.
func (f *follow) next() (e event, ok bool) {
	f.Helper()
	if !f.lines.Scan() {
		return e, false
	}
	if err := json.Unmarshal(f.lines.Bytes(), &e); err != nil {
		f.Fatalf("%v in %s", err, f.lines.Text())
	}
	return e, true
}

// expect reads events that must be the given ones, "TYPE name".
func (f *follow) expect(want ...string) (last event) {
	f.Helper()
	for _, text := range want {
		e, ok := f.next()
		if !ok || e.String() != text {
			f.Fatalf("got %q (%v), want %q", e, ok, text)
		}
		last = e
	}
	return last
}

const mapsPath = "/api/v1/namespaces/default/configmaps"

// TestWatchSelection follows objects in and out of a selection.
func TestO4WatchSelection(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, configMap("in", "app", "x"))
	c.Create(t, configMap("out"))
	w := c.watch(mapsPath + "?watch=1&labelSelector=app%3Dx")
	defer w.close()
	w.expect("ADDED in")
	maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
	label := func(name, value string) {
		patch := fmt.Sprintf(`{"metadata":{"labels":{"app":%s}}}`, value)
		if _, err := maps.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	label("out", `"x"`)
	w.expect("ADDED out")
	label("in", "null")
	gone := w.expect("DELETED in")
	if gone.Object.Metadata.Labels["app"] != "x" {
		t.Errorf("what leaves a selection is shown as it was in it: %+v", gone.Object.Metadata)
	}
	now, err := maps.Get(t.Context(), "in", metav1.GetOptions{})
	if err != nil || now.ResourceVersion != gone.Object.Metadata.ResourceVersion {
		t.Errorf("version %s, want that of the change, %s (%v)", gone.Object.Metadata.ResourceVersion, now.ResourceVersion, err)
	}
	label("in", `"y"`) // outside before and after
	label("out", `"x"`)
	if err := maps.Delete(t.Context(), "out", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.expect("DELETED out")
}

// TestWatchFrom begins watches at every kind of version.
func TestWatchFrom(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.BookmarkEvery = 20 * time.Millisecond })}
	first := c.Create(t, configMap("a"))
	c.Create(t, configMap("b"))
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{"ADDED a", "ADDED b", "ADDED c"}},
		{"&resourceVersion=0", []string{"ADDED a", "ADDED b", "ADDED c"}},
		{"&resourceVersion=" + first.GetResourceVersion(), []string{"ADDED b", "ADDED c"}},
		{"&resourceVersion=1", []string{"ADDED a", "ADDED b", "ADDED c"}},
		{"&fieldSelector=metadata.name%3Db", []string{"ADDED b"}},
		{"&allowWatchBookmarks=true", []string{"ADDED a", "ADDED b", "BOOKMARK "}},
		{"&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", []string{"ADDED a", "ADDED b", "BOOKMARK ", "BOOKMARK "}},
		{"&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0&allowWatchBookmarks=true", []string{"BOOKMARK "}},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			w := client{t, c.Cluster}.watch(mapsPath + "?watch=true" + test.query)
			defer w.close()
			for _, text := range test.want {
				if text == "ADDED c" {
					c.Create(t, configMap("c"))
				}
				w.expect(text)
			}
			_, _ = c.Logs.Submit(t.Context(), deleteOf(c.Cluster, "c"))
		})
	}
	one := c.watch(mapsPath + "/b?watch=true")
	one.expect("ADDED b")
	one.close()
	for query, text := range map[string]string{
		"resourceVersion=1000000":                      "Too large resource version",
		"resourceVersion=x":                            "must be a decimal number",
		"sendInitialEvents=true":                       "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
		"resourceVersionMatch=Exact&resourceVersion=1": "resourceVersionMatch is forbidden for watch",
		"resourceVersionMatch=Nonsense":                "Unsupported value",
		"labelSelector=a%3D%3D%3Db":                    "labelSelector",
		"fieldSelector=metadata.nonsense%3Db":          "is not a known field selector",
	} {
		if got := c.get(mapsPath + "?watch=true&" + query); got.code < 400 || !strings.Contains(got.body, text) {
			t.Errorf("%s: %d %s", query, got.code, got.body)
		}
	}
}

// TestWatchBookmarks tell how far a quiet watch has come.
func TestWatchBookmarks(t *testing.T) {
	c := client{t, apitest.New(t, func(cfg *api.Config) { cfg.BookmarkEvery = 10 * time.Millisecond })}
	w := c.watch(mapsPath + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
	defer w.close()
	end := w.expect("BOOKMARK ")
	if end.Object.Metadata.Annotations[metav1.InitialEventsAnnotationKey] != "true" || end.Object.Kind != "ConfigMap" {
		t.Errorf("%+v", end)
	}
	ns := c.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
	for {
		mark := w.expect("BOOKMARK ")
		if mark.Object.Metadata.ResourceVersion == ns.GetResourceVersion() {
			break // other kinds move it too
		}
	}
	timed := c.watch(mapsPath + "?watch=true&timeoutSeconds=1")
	defer timed.close()
	if e, ok := timed.next(); ok {
		t.Errorf("got %v, want the end", e)
	}
}

// TestWatchTable is what `kubectl get -w` reads.
func TestWatchTable(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, configMap("a"))
	w := c.watch(mapsPath+"?watch=true", "Accept: application/json;as=Table;v=v1;g=meta.k8s.io")
	defer w.close()
	first, _ := w.next()
	c.Create(t, configMap("b"))
	second, _ := w.next()
	for i, e := range []event{first, second} {
		name := string(rune('a' + i))
		if e.Type != "ADDED" || e.Object.Kind != "Table" || len(e.Object.Rows) != 1 || e.Object.Rows[0].Cells[0] != name || e.Object.Rows[0].Object.Name != name {
			t.Errorf("%+v", e)
		}
	}
	if len(first.Object.ColumnDefinitions) == 0 || len(second.Object.ColumnDefinitions) != 0 {
		t.Error("columns belong to the first event alone")
	}
}

// TestInformers runs client-go's informers, which list by watching, and lets
// them catch up with changes of spec and status.
func TestO10Informers(t *testing.T) {
	for _, media := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		t.Run(media, func(t *testing.T) {
			c := apitest.New(t, nil)
			for i := range 50 {
				c.Create(t, podNamed(fmt.Sprintf("p%02d", i), "c"))
			}
			config := c.Config()
			config.ContentType = media
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			factory := informers.NewSharedInformerFactory(client, 0)
			informer := factory.Core().V1().Pods().Informer()
			seen := make(chan string, 1000)
			_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
				AddFunc:    func(obj any) { seen <- "add " + obj.(*corev1.Pod).Name },
				UpdateFunc: func(_, obj any) { seen <- "update " + string(obj.(*corev1.Pod).Status.Phase) },
				DeleteFunc: func(obj any) { seen <- "delete " + obj.(*corev1.Pod).Name },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			factory.StartWithContext(ctx)
			if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
				t.Fatal("no sync")
			}
			first := map[string]bool{}
			for range 50 {
				first[<-seen] = true
			}
			if len(first) != 50 || !first["add p49"] {
				t.Fatalf("got %v", first)
			}
			pod := podNamed("p00", "c")
			pod.Status.Phase = corev1.PodRunning
			if _, err := client.CoreV1().Pods("default").UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := <-seen; got != "update Running" {
				t.Errorf("got %s", got)
			}
			zero := int64(0)
			if err := client.CoreV1().Pods("default").Delete(ctx, "p01", metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
				t.Fatal(err)
			}
			if got := <-seen; got != "delete p01" {
				t.Errorf("got %s", got)
			}
			cancel()
			factory.Shutdown()
		})
	}
}

// TestWatchOfNewPod shows a creation of spec and status as one event: two with
// one version would hide the second from informers.
func TestWatchOfNewPod(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	w := c.watch("/api/v1/namespaces/default/pods?watch=true")
	defer w.close()
	c.Create(t, podNamed("p", "c"))
	c.Create(t, podNamed("q", "c"))
	w.expect("ADDED p", "ADDED q")
}

// TestWatchProtobuf reads frames as old informers do.
func TestWatchProtobuf(t *testing.T) {
	c := apitest.New(t, nil)
	config := c.Config()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf
	maps := typed(t, config).CoreV1().ConfigMaps("default")
	w, err := maps.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	c.Create(t, configMap("a"))
	e := <-w.ResultChan()
	if e.Type != watch.Added || e.Object.(*corev1.ConfigMap).Data["k"] != "v" {
		t.Errorf("%+v", e)
	}
	if _, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: "x"}); !apierrors.IsInvalid(err) {
		t.Errorf("a Status in protobuf: %v", err)
	}
}

// TestWatchOverWebSocket is how dashboards in browsers watch.
func TestWatchOverWebSocket(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, configMap("a"))
	dialer := websocket.Dialer{Subprotocols: []string{"base64.binary.k8s.io"}}
	at := "ws" + strings.TrimPrefix(c.URL, "http") + mapsPath + "?watch=1"
	conn, answer, err := dialer.DialContext(t.Context(), at, http.Header{"Origin": {c.URL}})
	if err != nil {
		t.Fatal(err, answer)
	}
	defer conn.Close()
	for _, name := range []string{"a", "b"} {
		if name == "b" {
			c.Create(t, configMap("b"))
		}
		var e event
		if err := conn.ReadJSON(&e); err != nil || e.String() != "ADDED "+name {
			t.Fatalf("%v %v", err, e)
		}
	}
	_, answer, err = dialer.DialContext(t.Context(), at+"&fieldSelector=a%3Db", nil)
	if err == nil || answer.StatusCode != 400 {
		t.Errorf("a refusal comes before the upgrade: %v %v", err, answer)
	}
	_, answer, err = dialer.DialContext(t.Context(), at, http.Header{"Origin": {"https://evil.example"}})
	if err == nil || answer.StatusCode != 403 {
		t.Errorf("a foreign page: %v %v", err, answer)
	}
	c.status(c.do("POST", mapsPath, `{"metadata":{"name":"x"}}`, "Origin: https://evil.example"), 403, metav1.StatusReasonForbidden, "may not use this server")
	if got := c.do("POST", mapsPath, `{"metadata":{"name":"x"}}`, "Origin: https://dashboard.example", "Authorization: Bearer t"); got.code != 201 {
		t.Errorf("a page with a token: %+v", got)
	}
}
