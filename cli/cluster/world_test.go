package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"segno/cli/api"
)

// world is a whole cluster and a person's client of it.
type world struct {
	t       *testing.T
	cluster *Cluster
	ctx     context.Context // ends with the cluster
	client  kubernetes.Interface
	http    *http.Client
}

// person is who asks in these tests.
var person = api.User{Name: "ada", Groups: []string{api.GroupMasters}}

// newWorld runs a cluster until the test, or stop, ends. In a bubble it lives
// on virtual time.
func newWorld(t *testing.T, cfg Config) (w *world, stop func()) {
	t.Helper()
	if cfg.Log == nil && os.Getenv("SEGNO_TEST_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	ready := make(chan struct{})
	cfg.Ready = func(Info) { close(ready) }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	w = &world{t: t, cluster: c, ctx: ctx}
	closeDoor := w.openDoor()
	stop = sync.OnceFunc(func() {
		closeDoor()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the cluster ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the cluster did not start: %v", err)
	}
	return w, stop
}

// openDoor serves the handler over pipes and connects the clients to it.
func (w *world) openDoor() (stop func()) {
	listener := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.cluster.Handler().ServeHTTP(rw, r.WithContext(api.WithUser(r.Context(), person)))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial}
	var err error
	w.client, err = kubernetes.NewForConfig(&rest.Config{Host: "http://segno", Transport: transport, QPS: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.http = &http.Client{Transport: transport}
	return func() {
		transport.CloseIdleConnections()
		_ = server.Close() // watches end with it
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			w.t.Errorf("serve: %v", err)
		}
	}
}

// pipes is a listener within the process; synctest knows when its connections wait.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.dialled <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialled:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "segno", Net: "pipe"} }

// within waits until what holds, and fails when it does not in time. In a
// bubble, waiting costs nothing.
func (w *world) within(d time.Duration, what string, holds func() bool) {
	w.t.Helper()
	for started := time.Now(); !holds(); time.Sleep(max(50*time.Millisecond, d/2000)) {
		if time.Since(started) > d {
			w.t.Fatalf("not within %s: %s", d, what)
		}
	}
}

// ask reads JSON from a path of the API.
func (w *world) ask(into any, path string, args ...any) {
	w.t.Helper()
	path = fmt.Sprintf(path, args...)
	answer, err := w.http.Get("http://segno" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %s: %s", path, answer.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		w.t.Fatalf("GET %s: %v", path, err)
	}
}
