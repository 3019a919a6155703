package cluster

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"segno/cli/api"
)

// BenchmarkRequest asks for one object, over and over, from the handler itself:
// what recording adds to a request shows most where there is the least to do.
func BenchmarkRequest(b *testing.B) {
	c, err := New(Config{DataDir: b.TempDir(), Listen: "127.0.0.1:0", Runtime: RuntimeSimulated})
	if err != nil {
		b.Fatal(err)
	}
	ready := make(chan struct{})
	c.cfg.Ready = func(Info) { close(ready) }
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		b.Fatal(err)
	}
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	unrecorded, err := api.New(api.Config{Table: c.table, Store: c.logs, History: c.logs, Nodes: c, Log: c.log})
	if err != nil {
		b.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{"recorded": c.api, "unrecorded": unrecorded} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(p *testing.PB) {
				r := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/default", nil)
				r = r.WithContext(api.WithUser(r.Context(), person))
				r.Header.Set("User-Agent", "kubectl/v1.37.2 (linux/amd64) kubernetes/abcdef0")
				for p.Next() {
					w := httptest.NewRecorder()
					if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
						b.Errorf("answered %d: %s", w.Code, w.Body)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
