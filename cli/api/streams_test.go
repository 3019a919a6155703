package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"

	"segno/agents/pod"
	"segno/agents/runtime"
	"segno/agents/runtime/simulated"
	"segno/agents/server"
	"segno/cli/api"
	"segno/cli/api/apitest"
	"segno/proto"
)

// agents are nodes whose HTTP servers run in the test; an unknown one is down.
type agents map[proto.NodeName]string

func (a agents) DialNode(ctx context.Context, node proto.NodeName) (net.Conn, error) {
	address, ok := a[node]
	if !ok {
		return nil, fmt.Errorf("node %s does not answer", node)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

type onePod struct{ *corev1.Pod }

func (p onePod) Lookup(namespace, name string) (pod.Want, bool) {
	return pod.Want{Pod: p.Pod}, namespace == p.Namespace && name == p.Name
}

// agent runs a node's real server over the simulated engine, with one pod.
func agent(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	engine := simulated.New(simulated.Config{})
	err := engine.CreateSandbox(t.Context(), runtime.SandboxSpec{UID: string(p.UID)})
	for _, c := range p.Spec.Containers {
		ref := runtime.Ref{UID: string(p.UID), Container: c.Name}
		err = errors.Join(err,
			engine.CreateContainer(t.Context(), runtime.ContainerSpec{Ref: ref, Image: "app:1", Annotations: map[string]string{simulated.Log: "log of " + c.Name + "\nlast line"}}),
			engine.StartContainer(t.Context(), ref))
	}
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() {
		done <- server.Run(ctx, server.Config{Listener: listener, Pods: onePod{p}, Runtime: engine, Dial: echo})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the node's server: %v", err)
		}
	})
	return listener.Addr().String()
}

// echo stands for a port of a pod, where all that is said comes back.
func echo(_ context.Context, _ runtime.Sandbox, port int32) (net.Conn, error) {
	if port != 80 {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(there, there) }()
	return here, nil
}

// streaming is a cluster with a pod "p" of two containers on the node n1, one
// with a single container, "one", and one that is not bound.
func streaming(t *testing.T) *apitest.Cluster {
	t.Helper()
	nodes := agents{}
	c := apitest.New(t, func(cfg *api.Config) { cfg.Nodes = nodes })
	for _, name := range []string{"n1", "n2"} {
		c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for name, containers := range map[string][]string{"p": {"web", "side"}, "one": {"c"}, "free": {"c"}, "lost": {"c"}} {
		c.Create(t, podNamed(name, containers...))
	}
	pods := typed(t, c.Config()).CoreV1().Pods("default")
	for name, node := range map[string]string{"p": "n1", "one": "n1", "lost": "n2"} {
		err := pods.Bind(t.Context(), &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: name}, Target: corev1.ObjectReference{Name: node}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := pods.Get(t.Context(), "p", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nodes["n1"] = agent(t, p)
	return c
}

const podPath = "/api/v1/namespaces/default/pods/"

func TestP11Logs(t *testing.T) {
	c := client{t, streaming(t)}
	got := c.get(podPath + "p/log?container=web")
	if got.code != 200 || !strings.HasSuffix(got.body, "log of web\nlast line\n") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") || len(got.header.Values("Audit-Id")) != 1 {
		t.Errorf("%+v", got)
	}
	if got = c.get(podPath + "p/log?container=side&tailLines=1"); got.body != "last line\n" {
		t.Errorf("%+v", got)
	}
	if got = c.get(podPath + "free/log"); got.code != 200 || got.body != "" {
		t.Errorf("a pod that is not bound has no logs yet: %+v", got)
	}
	bad, none := metav1.StatusReasonBadRequest, metav1.StatusReasonNotFound
	c.status(c.get(podPath+"p/log"), 400, bad, "a container name must be specified for pod p, choose one of: [web side]")
	c.status(c.get(podPath+"p/log?container=none"), 400, bad, "container none is not valid for pod p")
	c.status(c.get(podPath+"none/log"), 404, none, `pods "none" not found`)
	c.status(c.get(podPath+"p/log?container=web&tailLines=-1"), 400, bad, `tailLines "-1"`)
	c.status(c.get(podPath+"p/log?container=web&sinceTime=x"), 400, bad, "sinceTime")
	c.status(c.get(podPath+"p/log?container=web&previous=true"), 400, bad, "previous terminated container")
	c.status(c.do("POST", podPath+"p/log?container=web", ""), 405, metav1.StatusReasonMethodNotAllowed, "not supported")
	c.status(c.get(podPath+"lost/log"), 503, metav1.StatusReasonServiceUnavailable, "node n2 of pod default/lost: node n2 does not answer")
	c.status(c.do("POST", podPath+"free/exec?command=ls&stdout=true", ""), 400, bad, "pod free does not have a host assigned")
	c.status(c.do("POST", podPath+"p/exec?command=ls&stdout=true", ""), 400, bad, "a container name must be specified")
}

// executors are the two ways in which clients speak: old and new.
func executors(t *testing.T, config *rest.Config, path string) map[string]remotecommand.Executor {
	t.Helper()
	at, err := url.Parse(config.Host + path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, at)
	if err != nil {
		t.Fatal(err)
	}
	young, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, at.String())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]remotecommand.Executor{"SPDY": old, "WebSocket": young}
}

func TestP11Exec(t *testing.T) {
	c := streaming(t)
	for name, e := range executors(t, c.Config(), podPath+"p/exec?container=web&command=echo&command=hello&stdout=true&stderr=true") {
		var out bytes.Buffer
		if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: io.Discard}); err != nil || strings.TrimSpace(out.String()) != "hello" {
			t.Errorf("%s: %v %q", name, err, out.String())
		}
	}
	for name, e := range executors(t, c.Config(), podPath+"p/exec?container=web&command=sh&command=-c&command=exit+42&stdout=true") {
		var exit exec.ExitError
		err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
		if !errors.As(err, &exit) || exit.ExitStatus() != 42 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range executors(t, c.Config(), podPath+"p/exec?container=web&command=cat&stdin=true&stdout=true") {
		var out bytes.Buffer
		if err := e.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader("over there"), Stdout: &out}); err != nil || out.String() != "over there" {
			t.Errorf("%s: %v %q", name, err, out.String())
		}
	}
}

func TestP11PortForward(t *testing.T) {
	c := streaming(t)
	transport, upgrader, err := spdy.RoundTripperFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(c.URL + podPath + "p/portforward")
	if err != nil {
		t.Fatal(err)
	}
	overSPDY := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, at)
	overSockets, err := portforward.NewSPDYOverWebsocketDialer(at, c.Config())
	if err != nil {
		t.Fatal(err)
	}
	for name, dialer := range map[string]httpstream.Dialer{"SPDY": overSPDY, "WebSocket": overSockets} {
		t.Run(name, func(t *testing.T) { forwarded(t, dialer) })
	}
	at.Path = podPath + "none/portforward"
	if refused, err := portforward.NewSPDYOverWebsocketDialer(at, c.Config()); err != nil {
		t.Error(err)
	} else if _, _, err := refused.Dial("portforward.k8s.io"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a pod that is not there: %v", err)
	}
}

// forwarded sends bytes through a forwarded port and back.
func forwarded(t *testing.T, dialer httpstream.Dialer) {
	stop, ready := make(chan struct{}), make(chan struct{})
	forward, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:80"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- forward.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	ports, err := forward.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("ping"))
	back := make([]byte, 4)
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != "ping" {
		t.Errorf("%v %q", err, back)
	}
	_ = conn.Close()
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// silent is a node that is reached and never says a word.
type silent chan net.Conn

func (s silent) DialNode(context.Context, proto.NodeName) (net.Conn, error) {
	here, there := net.Pipe()
	s <- there
	return here, nil
}

// TestP11NobodyWhoLeftWaitsForANode: the connection to the node ends with the
// client's.
func TestP11NobodyWhoLeftWaitsForANode(t *testing.T) {
	node := make(silent, 1)
	c := apitest.New(t, func(cfg *api.Config) { cfg.Nodes = node })
	c.Create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}})
	c.Create(t, podNamed("p", "c"))
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Target: corev1.ObjectReference{Name: "n1"}}
	if err := typed(t, c.Config()).CoreV1().Pods("default").Bind(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	person, err := net.Dial("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(person, "GET %sp/portforward HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n", podPath)
	asked := <-node
	if _, err := bufio.NewReader(asked).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(asked.SetReadDeadline(time.Now().Add(10*time.Second)), person.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, asked); err != nil {
		t.Errorf("the node still waits for one who left: %v", err)
	}
}
