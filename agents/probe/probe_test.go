package probe_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"segno/agents/probe"
	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
)

// listening is an application on a port of this machine.
func listening(t *testing.T, start func(*httptest.Server)) (probe.Target, intstr.IntOrString) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "virtual.example" && r.URL.RawQuery == "a=b" && r.Header.Get("X-Probe") == "yes" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Error(w, "host "+r.Host, http.StatusBadRequest)
	})
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database", http.StatusInternalServerError)
	})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sick", http.StatusFound) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
	})
	return serving(t, mux, start)
}

func serving(t *testing.T, handler http.Handler, start func(*httptest.Server)) (probe.Target, intstr.IntOrString) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	start(s)
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	return probe.Target{Address: at.Hostname(), Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: int32(port)}}}, intstr.FromInt(port)
}

func get(port intstr.IntOrString, path string) *corev1.Probe {
	return &corev1.Probe{TimeoutSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
		Port: port, Path: path, HTTPHeaders: []corev1.HTTPHeader{{Name: "Host", Value: "virtual.example"}, {Name: "X-Probe", Value: "yes"}},
	}}}
}

func expect(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestP3HTTP(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.invalid:1") // must not be used
	to, port := listening(t, (*httptest.Server).Start)
	for path, want := range map[string]string{
		"/ok?a=b": "", "ok?a=b": "", "/ok": "statuscode: 400: host virtual.example",
		"/sick": "statuscode: 500: no database", "/here": "statuscode: 500", "/there": "", "/none": "statuscode: 404",
	} {
		expect(t, path, probe.Once(t.Context(), to, get(port, path)), want)
	}
	expect(t, "a port by its name", probe.Once(t.Context(), to, get(intstr.FromString("web"), "/ok?a=b")), "")
	expect(t, "a name that is not there", probe.Once(t.Context(), to, get(intstr.FromString("db"), "/ok")), "no port db")
}

func TestP3HTTPS(t *testing.T) {
	to, port := listening(t, (*httptest.Server).StartTLS)
	p := get(port, "/ok?a=b")
	p.HTTPGet.Scheme = corev1.URISchemeHTTPS
	expect(t, "a certificate of its own", probe.Once(t.Context(), to, p), "")
}

func TestP3TCP(t *testing.T) {
	to, port := listening(t, (*httptest.Server).Start)
	tcp := func(port intstr.IntOrString) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
	}
	expect(t, "open", probe.Once(t.Context(), to, tcp(port)), "")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	expect(t, "closed", probe.Once(t.Context(), to, tcp(intstr.FromInt(closed.Addr().(*net.TCPAddr).Port))), "refused")
}

func TestP3Exec(t *testing.T) {
	engine := simulated.New(simulated.Config{})
	ref := runtime.Ref{UID: "u", Container: "c"}
	for _, err := range []error{
		engine.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: "u"}),
		engine.CreateContainer(t.Context(), runtime.ContainerSpec{Ref: ref, Image: "app:1"}),
		engine.StartContainer(t.Context(), ref),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	to := probe.Target{Ref: ref, Runtime: engine}
	exec := func(command ...string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}}
	}
	expect(t, "true", probe.Once(t.Context(), to, exec("true")), "")
	expect(t, "false", probe.Once(t.Context(), to, exec("false")), "exit status 1")
	expect(t, "nothing", probe.Once(t.Context(), to, &corev1.Probe{}), "not supported")
}

// execs is a container whose commands do what the test says.
type execs struct {
	*simulated.Engine
	run func(ctx context.Context, exec runtime.Exec) (int, error)
}

func (e execs) Exec(ctx context.Context, _ runtime.Ref, exec runtime.Exec) (int, error) {
	return e.run(ctx, exec)
}

// TestP3ACommandMayWriteWithoutEnd: only what is shown of it is kept.
func TestP3ACommandMayWriteWithoutEnd(t *testing.T) {
	const blocks = 4096
	block := bytes.Repeat([]byte("sick "), 1<<12)
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"talk"}}}}
	to := probe.Target{Runtime: execs{run: func(_ context.Context, exec runtime.Exec) (int, error) {
		for i := range blocks {
			out := exec.Stdout
			if i%2 == 1 {
				out = exec.Stderr
			}
			if n, err := out.Write(block); n != len(block) || err != nil {
				return 0, fmt.Errorf("written %d: %w", n, err)
			}
		}
		return 1, nil
	}}}
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	err := probe.Once(t.Context(), to, p)
	goruntime.ReadMemStats(&after)
	expect(t, "a loud command", err, "exit status 1: sick sick")
	if most := 11 << 10; len(err.Error()) > most {
		t.Errorf("%d bytes are shown, want at most %d", len(err.Error()), most)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it took %d bytes of memory to hear %d", took, blocks*len(block))
	}
}

func TestP3AProbeEndsInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"hang"}}}}
		to := probe.Target{Runtime: execs{run: func(ctx context.Context, exec runtime.Exec) (int, error) {
			if !exec.Kill {
				t.Error("the command may outlive its probe")
			}
			<-ctx.Done()
			return 0, ctx.Err()
		}}}
		for _, seconds := range []int32{3, 0} { // 0 is 1
			p.TimeoutSeconds = seconds
			begun := time.Now()
			expect(t, "slow", probe.Once(t.Context(), to, p), "deadline exceeded")
			if took, want := time.Since(begun), time.Duration(max(seconds, 1))*time.Second; took != want {
				t.Errorf("it took %s, want %s", took, want)
			}
		}
	})
}

func TestAProbeEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	to, port := serving(t, hangs, (*httptest.Server).Start)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	p := get(port, "/")
	p.TimeoutSeconds = 100
	expect(t, "cancelled", probe.Once(ctx, to, p), "context canceled")
}
