package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"

	"segno/agents/pod"
	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
	"segno/agents/server"
)

// node is a server over a simulated engine with one pod: "web" runs, "job"
// ran twice, "new" was never started.
type node struct {
	*testing.T
	url    string
	pods   onePod
	engine *simulated.Engine
}

type onePod struct{ *corev1.Pod }

func (p onePod) Lookup(namespace, name string) (pod.Want, bool) {
	return pod.Want{Pod: p.Pod}, namespace == p.Namespace && name == p.Name
}

func newNode(t *testing.T) *node {
	t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p", UID: "u"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}, {Name: "job"}, {Name: "new"}}},
	}
	engine := simulated.New(simulated.Config{})
	ctx := t.Context()
	err := engine.CreateSandbox(ctx, runtime.SandboxSpec{UID: "u"})
	run := func(name string, attempt int, annotations map[string]string) {
		ref := runtime.Ref{UID: "u", Container: name, Attempt: attempt}
		err = errors.Join(err, engine.CreateContainer(ctx, runtime.ContainerSpec{Ref: ref, Image: "app:1", Annotations: annotations}), engine.StartContainer(ctx, ref))
	}
	run("web", 0, map[string]string{simulated.Log: "one\ntwo\nthree"})
	run("job", 0, map[string]string{simulated.Log: "first try", simulated.ExitCode: "1"})
	run("job", 1, map[string]string{simulated.Log: "second try", simulated.ExitCode: "1"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error)
	go func() {
		done <- server.Run(serving, server.Config{Listener: listener, Pods: onePod{p}, Runtime: engine, Dial: dialEcho})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return &node{t, "http://" + listener.Addr().String(), onePod{p}, engine}
}

// dialEcho stands for a port of a pod, where all that is said comes back.
func dialEcho(_ context.Context, _ runtime.Sandbox, port int32) (net.Conn, error) {
	if port != 80 {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(there, there) }()
	return here, nil
}

func (n *node) get(path string) (int, string) {
	n.Helper()
	answer, err := http.Get(n.url + path)
	if err != nil {
		n.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		n.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestP11Logs(t *testing.T) {
	n := newNode(t)
	for path, want := range map[string]string{
		"/web?":                               "one\ntwo\nthree\n",
		"/web?tailLines=1":                    "three\n",
		"/web?tailLines=0":                    "",
		"/job?":                               "second try\n",
		"/job?previous=true":                  "first try\n",
		"/job?follow=true":                    "second try\n",
		"/web?sinceTime=2999-01-01T00:00:00Z": "",
		"/web?sinceSeconds=3600":              "one\n",
		"/web?stream=Stderr":                  "",
	} {
		code, body := n.get("/containerLogs/default/p" + path)
		if code != 200 || !strings.Contains(body, want) || (want == "" && body != "") {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	_, all := n.get("/containerLogs/default/p/web")
	if _, some := n.get("/containerLogs/default/p/web?limitBytes=10"); some != all[:10] {
		t.Errorf("limited to 10 bytes: %q", some)
	}
	_, stamped := n.get("/containerLogs/default/p/web?timestamps=true&tailLines=1")
	stamp, _, _ := strings.Cut(stamped, " ")
	if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil {
		t.Errorf("with timestamps: %q", stamped)
	}
}

func TestRefusalsAreInTheFormOfTheAPI(t *testing.T) {
	n := newNode(t)
	for path, want := range map[string]string{
		"/containerLogs/default/other/web":            `404 pods "other" not found`,
		"/containerLogs/default/p/nope":               `400 container nope is not valid for pod p`,
		"/containerLogs/default/p/new":                `400 container "new" in pod "p" is waiting to start`,
		"/containerLogs/default/p/web?previous=true":  `400 previous terminated container "web" in pod "p" not found`,
		"/containerLogs/default/p/web?tailLines=-1":   `400 tailLines="-1": must be at least 0`,
		"/containerLogs/default/p/web?follow=perhaps": `400 follow="perhaps": strconv.ParseBool: parsing "perhaps": invalid syntax`,
		"/exec/default/p/job?command=ls&output=1":     `400 container job of pod p is not running`,
		"/exec/default/p/web?command=ls":              `400 at least one of stdin, stdout and stderr is required`,
		"/exec/default/p/web?output=1":                `400 exec: at least one command is required`,
		"/attach/default/p/web":                       `400 at least one of stdin, stdout and stderr is required`,
		"/portForward/default/other":                  `404 pods "other" not found`,
		"/pods":                                       `404 the server could not find the requested resource (get pods)`,
	} {
		code, body := n.get(path)
		var status metav1.Status
		if err := json.Unmarshal([]byte(body), &status); err != nil || status.Kind != "Status" || int(status.Code) != code {
			t.Errorf("%s: %d %s (%v)", path, code, body, err)
		}
		if got := fmt.Sprintf("%d %s", code, status.Message); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	n.engine.SetDown(true)
	if code, body := n.get("/containerLogs/default/p/web"); code != 503 {
		t.Errorf("while the engine is down: %d %s", code, body)
	}
}

// TestFollowStopsWithTheClient, and not with the container.
func TestFollowStopsWithTheClient(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/containerLogs/default/p/web?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(answer.Body, first); err != nil { // a line comes at once, though the log goes on
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("the log came to an end")
	}
}

// breaking is an engine that goes away in the middle of a log.
type breaking struct{ *simulated.Engine }

func (b breaking) Logs(_ context.Context, _ runtime.Ref, _ runtime.LogOptions, stdout, _ io.Writer) error {
	_, err := io.WriteString(stdout, "one\ntwo\n")
	return errors.Join(err, runtime.ErrDown)
}

// TestP11ABrokenLogDoesNotPassForAWholeOne, also without a logger.
func TestP11ABrokenLogDoesNotPassForAWholeOne(t *testing.T) {
	n := newNode(t)
	for _, logger := range []*slog.Logger{nil, slog.New(slog.DiscardHandler)} {
		var panics bytes.Buffer
		s := httptest.NewUnstartedServer(server.Handler(server.Config{Pods: n.pods, Runtime: breaking{n.engine}, Logger: logger}))
		s.Config.ErrorLog = log.New(&panics, "", 0)
		s.Start()
		answer, err := http.Get(s.URL + "/containerLogs/default/p/web")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if string(body) != "one\ntwo\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", body, err)
		}
		s.Close()
		if panics.Len() > 0 {
			t.Error(panics.String())
		}
	}
}

// executors are the two ways in which clients run commands.
func executors(t *testing.T, address string) map[string]remotecommand.Executor {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	overSPDY, err := remotecommand.NewSPDYExecutor(&rest.Config{Host: at.Host}, "POST", at)
	if err != nil {
		t.Fatal(err)
	}
	overSockets, err := remotecommand.NewWebSocketExecutorForProtocols(&rest.Config{Host: at.Host}, "GET", address, "v4.channel.k8s.io")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]remotecommand.Executor{"SPDY": overSPDY, "WebSocket": overSockets}
}

func TestP11Exec(t *testing.T) {
	n := newNode(t)
	for name, e := range executors(t, n.url+"/exec/default/p/web?command=echo&command=hello&output=1&error=1") {
		var out bytes.Buffer
		if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: io.Discard}); err != nil || out.String() != "hello\n" {
			t.Errorf("%s: echo: %v, %q", name, err, out.String())
		}
	}
	for name, e := range executors(t, n.url+"/exec/default/p/web?command=sh&command=-c&command=exit+42&stdout=true") {
		var exit utilexec.ExitError
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
		if !errors.As(err, &exit) || exit.ExitStatus() != 42 {
			t.Errorf("%s: exit 42: %v", name, err)
		}
	}
	text := strings.Repeat("in and out\n", 10000)
	e := executors(t, n.url+"/exec/default/p/web?command=cat&input=1&output=1")["SPDY"]
	var out bytes.Buffer
	if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader(text), Stdout: &out}); err != nil || out.String() != text {
		t.Errorf("cat: %v, %d bytes of %d", err, out.Len(), len(text))
	}
}

func TestP11Attach(t *testing.T) {
	n := newNode(t)
	e := executors(t, n.url+"/attach/default/p/web?output=1")["SPDY"]
	var out bytes.Buffer
	web := runtime.Ref{UID: "u", Container: "web"}
	go func() {
		for !n.engine.Followed(web) {
			goruntime.Gosched()
		}
		n.engine.Kill(web, 0)
	}()
	if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out}); err != nil || !strings.Contains(out.String(), "exited with code 0") {
		t.Errorf("attach: %v, %q", err, out.String())
	}
}

func TestP11PortForward(t *testing.T) {
	n := newNode(t)
	at, err := url.Parse(n.url + "/portForward/default/p")
	if err != nil {
		t.Fatal(err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{Host: at.Host})
	if err != nil {
		t.Fatal(err)
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", at), []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- forwarder.ForwardPorts() }()
	<-ready
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "hello")
		back := make([]byte, 5)
		if _, err := io.ReadFull(conn, back); err != nil || string(back) != "hello" {
			t.Errorf("%q, %v", back, err)
		}
		_ = conn.Close()
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnUnknownMethodIsRefused(t *testing.T) {
	recorder := httptest.NewRecorder()
	server.Handler(server.Config{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodDelete, "/exec/a/b/c", nil))
	if recorder.Code != http.StatusNotFound {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}
