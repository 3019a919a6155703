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
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// asUser names another user in a request of these tests, who may do nothing;
// nobody is none at all.
const (
	asUser = "X-Test-User"
	nobody = "-"
)

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
	w.follow("all nodes are ready", w.nodesReady)
	return w, stop
}

func (w *world) nodesReady() bool {
	w.t.Helper()
	list, err := w.client.CoreV1().Nodes().List(w.ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		if len(list.Items[i].Spec.Taints) > 0 || !nodeReady(&list.Items[i]) {
			return false
		}
	}
	return len(list.Items) >= len(w.cluster.nodes)
}

func nodeReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// openDoor serves the handler over pipes and connects the clients to it.
func (w *world) openDoor() (stop func()) {
	listener := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user := person
		switch name := r.Header.Get(asUser); name {
		case "":
		case nobody:
			w.cluster.Handler().ServeHTTP(rw, r)
			return
		default:
			user = api.User{Name: name}
		}
		w.cluster.Handler().ServeHTTP(rw, r.WithContext(api.WithUser(r.Context(), user)))
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

// patience is how long a test on real time waits before it fails.
const patience = 30 * time.Second

// follow waits for what the log brings.
func (w *world) follow(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	fold := w.cluster.ledgers.events()
	// The newest transaction is told again, so that holds is asked once at least.
	for _, err := range fold.Watch(ctx, fold.Position().Seq-1) {
		if err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
		if holds() {
			return
		}
	}
	w.t.Fatalf("it never came to pass: %s", what)
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
