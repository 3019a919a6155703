package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/events"
)

// failing is a store with a defect: it panics when asked for secrets.
type failing struct{ api.Store }

func (f failing) View(kind *events.Kind) events.View {
	if kind.Resource.Name == "secrets" {
		panic("a defect")
	}
	return f.Store.View(kind)
}

// TestPanic answers a defect with a Status, logs where it was, and goes on.
func TestPanic(t *testing.T) {
	var log syncBuffer
	c := client{t, apitest.New(t, func(cfg *api.Config) {
		cfg.Store = failing{cfg.Store}
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	})}
	got := c.get("/api/v1/namespaces/default/secrets")
	c.status(got, 500, metav1.StatusReasonInternalError, "made the server panic")
	if text := log.String(); !strings.Contains(text, "a defect") || !strings.Contains(text, "robust_test.go") || !strings.Contains(text, got.header.Get("Audit-Id")) {
		t.Errorf("the log: %s", text)
	}
	if got := c.get(mapsPath); got.code != 200 {
		t.Errorf("after it: %+v", got)
	}
}

// syncBuffer is a buffer that a handler writes while a test reads.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestSlowWatcher lets a client open a watch and never read: writers and other
// watchers must not wait for it, and it misses nothing when it reads at last.
func TestSlowWatcher(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	slow := c.watch(mapsPath + "?watch=true&resourceVersion=3")
	defer slow.close()
	quick := c.watch(mapsPath + "?watch=true&resourceVersion=3")
	defer quick.close()
	const n, size = 400, 64 << 10 // far more than all buffers on the way
	go func() {
		for i := range n {
			m := configMap(fmt.Sprintf("m%04d", i))
			m.Data["k"] = strings.Repeat("x", size)
			c.Create(t, m)
		}
	}()
	for i := range n {
		quick.expect(fmt.Sprintf("ADDED m%04d", i))
	}
	// All was written and read while the slow one had read nothing.
	for i := range n {
		slow.expect(fmt.Sprintf("ADDED m%04d", i))
	}
}

// TestManyClients lets readers, writers and watchers work at once.
func TestManyClients(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for w := range 8 {
		all.Go(func() {
			maps := typed(t, c.Config()).CoreV1().ConfigMaps("default")
			for i := range 20 {
				name := fmt.Sprintf("w%d-%d", w, i)
				if _, err := maps.Create(ctx, configMap(name), metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := maps.List(ctx, metav1.ListOptions{Limit: 3}); err != nil {
					t.Error(err)
				}
				if err := maps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		w := c.watch(mapsPath + "?watch=true&resourceVersion=3")
		all.Go(func() {
			defer w.close()
			for range 8 * 20 * 2 {
				if _, ok := w.next(); !ok {
					t.Error("the watch ended")
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkList reads 5000 pods, as clients do.
func BenchmarkList(b *testing.B) {
	c := client{b, apitest.New(b, nil)}
	for i := range 5000 {
		c.Create(b, podNamed(fmt.Sprintf("p%04d", i), "a", "b"))
	}
	for name, headers := range map[string][]string{
		"json":     {"Accept: application/json", "Accept-Encoding: identity"},
		"gzip":     {"Accept: application/json", "Accept-Encoding: gzip"},
		"protobuf": {"Accept: application/vnd.kubernetes.protobuf", "Accept-Encoding: identity"},
		"table":    {"Accept: application/json;as=Table;v=v1;g=meta.k8s.io", "Accept-Encoding: identity"},
	} {
		for _, query := range []string{"", "?limit=500"} {
			b.Run(name+query, func(b *testing.B) {
				c := client{b, c.Cluster}
				b.ReportAllocs()
				for b.Loop() {
					b.SetBytes(int64(len(c.get("/api/v1/pods"+query, headers...).body)))
				}
			})
		}
	}
}

// BenchmarkGet reads one object.
func BenchmarkGet(b *testing.B) {
	c := client{b, apitest.New(b, nil)}
	c.Create(b, podNamed("p", "a", "b"))
	for b.Loop() {
		if got := c.get("/api/v1/namespaces/default/pods/p"); got.code != 200 {
			b.Fatal(got)
		}
	}
}

// BenchmarkWatchers writes while a hundred clients watch; an operation is one
// write seen by all of them.
func BenchmarkWatchers(b *testing.B) {
	c := client{b, apitest.New(b, nil)}
	seen := make(chan struct{}, 1<<20)
	const watchers = 100
	for range watchers {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.URL+"/api/v1/namespaces/default/pods?watch=true&resourceVersion=3", nil)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer answer.Body.Close()
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := answer.Body.Read(buf)
				for _, at := range buf[:n] {
					if at == '\n' {
						seen <- struct{}{}
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
	i := 0
	for b.Loop() {
		c.Create(b, podNamed(fmt.Sprintf("p%d", i), "a"))
		for range watchers {
			<-seen
		}
		i++
	}
}

// TestRandomRequests sends thousands of odd requests: none may make the server
// panic or call its own fault what is the client's.
func TestRandomRequests(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	c.Create(t, podNamed("p", "c"))
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	for range 3000 {
		path := ""
		for range random.IntN(7) {
			path += "/" + pick("api", "apis", "v1", "apps", "namespaces", "default", "pods", "p", "deployments", "status", "scale", "log", "exec", "", "..", "%2F", "%00", "at", "1", "10m", "openapi", "v3", "history.segno", "events", "why", "x")
		}
		query := ""
		for range random.IntN(4) {
			query += "&" + pick("limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "timeoutSeconds", "dryRun", "pretty", "name", "resource", "from", "sendInitialEvents", "container") +
				"=" + pick("", "1", "-1", "x", "true", "Exact", "NotOlderThan", "a%3Db", "%00", "99999999999999999999", "All", "eyJzIjoxLCJuIjoiYSJ9")
		}
		method := pick("GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
		body := pick("", "{}", "[]", "null", "{", "k8s\x00", `{"metadata":{"name":"p"}}`, `{"metadata":null}`, "\xff")
		media := pick("application/json", "application/yaml", "application/merge-patch+json", "application/json-patch+json", "application/vnd.kubernetes.protobuf", "application/apply-patch+yaml", "x")
		if method == "GET" || method == "HEAD" {
			body = ""
		}
		got := c.do(method, "/"+strings.TrimPrefix(path, "/")+"?"+strings.TrimPrefix(query, "&"), body, "Content-Type: "+media)
		if got.code == 500 {
			t.Errorf("%s %s?%s %q as %s: %s", method, path, query, body, media, got.body)
		}
	}
}

// TestO7ACollectionIsDeletedAsAsked: a precondition of the client counts for
// each of its objects.
func TestO7ACollectionIsDeletedAsAsked(t *testing.T) {
	c := client{t, apitest.New(t, nil)}
	a, b := c.Create(t, configMap("a")), c.Create(t, configMap("b"))
	options := func(what, value string) string { return fmt.Sprintf(`{"preconditions":{%q:%q}}`, what, value) }
	only := func(name string) string { return mapsPath + "?fieldSelector=metadata.name%3D" + name }
	c.status(c.do("DELETE", mapsPath, options("resourceVersion", a.GetResourceVersion())), 409, metav1.StatusReasonConflict, `"b"`)
	c.status(c.do("DELETE", only("b"), options("uid", "other")), 409, metav1.StatusReasonConflict, "precondition names other")
	if got := c.get(mapsPath + "/b"); got.code != 200 {
		t.Errorf("deleted in spite of a precondition: %+v", got)
	}
	if got := c.do("DELETE", only("b"), options("uid", string(b.GetUID()))); got.code != 200 {
		t.Errorf("%+v", got)
	}
	c.status(c.get(mapsPath+"/b"), 404, metav1.StatusReasonNotFound, "")
}
