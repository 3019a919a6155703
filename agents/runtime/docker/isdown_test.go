package docker_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"segno/agents/runtime"
	"segno/agents/runtime/docker"
)

func TestAnEngineThatIsNotThereIsDown(t *testing.T) {
	engine, err := docker.New(docker.Config{Host: "unix://" + t.TempDir() + "/none.sock", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	_, err = engine.List(t.Context())
	isDown(t, err)
	_, err = engine.Info(t.Context())
	isDown(t, err)
	isDown(t, engine.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: "u"}))
	isDown(t, engine.Watch(t.Context(), func(string) { t.Error("a change was told") }))
}

// TestAnEngineThatOnlySendsEventsIsDown: that they can be followed is no sign
// of life; the client says so even of an engine that is not there.
func TestAnEngineThatOnlySendsEventsIsDown(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			http.Error(w, "not now", http.StatusInternalServerError)
			return
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	engine, err := docker.New(docker.Config{Host: "tcp://" + s.Listener.Addr().String(), Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	isDown(t, engine.Watch(ctx, func(string) {
		t.Error("a change was told")
		cancel()
	}))
}

func isDown(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, runtime.ErrDown) {
		t.Errorf("%v is not %v", err, runtime.ErrDown)
	}
}
