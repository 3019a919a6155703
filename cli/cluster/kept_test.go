package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"segno/proto"
)

// engineWith is as much of a Docker engine as is asked when a node starts: it has
// a container of each of the pods.
func engineWith(t *testing.T, pods ...string) (host string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "e.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	containers := []map[string]any{}
	for _, pod := range pods {
		namespace, name, _ := strings.Cut(pod, "/")
		containers = append(containers, map[string]any{"Id": name, "Labels": map[string]string{"segno.namespace": namespace, "segno.pod": name}})
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		w.Header().Set("Content-Type", "application/json")
		var answer any = map[string]string{"Version": "0", "ApiVersion": "1.47"}
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			answer = containers
		case !strings.HasSuffix(r.URL.Path, "/version") && !strings.HasSuffix(r.URL.Path, "/_ping"):
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(answer) // who asked may have left
	})}
	go func() { _ = server.Serve(listener) }() // ends with the listener
	t.Cleanup(func() { _ = server.Close() })
	return "unix://" + socket
}

// TestN1AJoinedNodeGoesOnAsItWas: its folder says who it is and where its
// containers are; the host's name and DOCKER_HOST do not.
func TestN1AJoinedNodeGoesOnAsItWas(t *testing.T) {
	w, _ := newWorld(t, Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Runtime: RuntimeSimulated})
	t.Setenv("DOCKER_HOST", "unix:///run/no-such-engine.sock")
	dir, one, two := t.TempDir(), engineWith(t, "shop/web-1", "shop/web-1"), engineWith(t)
	var logged bytes.Buffer
	join := func(cfg JoinConfig) (node proto.NodeName, err error) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cfg.DataDir, cfg.Log = dir, slog.New(slog.NewTextHandler(&logged, nil))
		cfg.Ready = func(name proto.NodeName, _ string) {
			node = name
			cancel()
		}
		return node, Join(ctx, cfg)
	}
	at := func(engine string) {
		t.Helper()
		if host, _ := keptEngine(dir); host != engine {
			t.Errorf("the engine is %q, want %q", host, engine)
		}
	}
	token := w.token()
	if _, err := join(JoinConfig{URL: w.cluster.Info().Bus, Token: token, Name: "second"}); err == nil || !strings.Contains(err.Error(), "no-such-engine.sock") {
		t.Fatalf("without an engine: %v", err)
	}
	if _, spent, err := keptAdmission(filepath.Join(dir, credentialFile)); spent || err != nil {
		t.Fatalf("the token was spent without an engine (%v)", err)
	}
	if _, err := join(JoinConfig{URL: w.cluster.Info().Bus, Token: token, Name: "second", DockerHost: one}); err != nil {
		t.Fatal(err)
	}
	at(one)
	if _, err := join(JoinConfig{Name: "third"}); err == nil || !strings.Contains(err.Error(), "is that of the node second: to go on as second") {
		t.Errorf("as another node: %v", err)
	}
	var joined proto.NodeName
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Join(ctx, JoinConfig{DataDir: dir, Ready: func(name proto.NodeName, cluster string) {
		joined = name
		cancel()
	}})
	if err != nil || joined != "second" {
		t.Errorf("with nothing but the folder: the node %q, %v", joined, err)
	}
	at(one)
	if strings.Contains(logged.String(), "are left at the engine") {
		t.Errorf("logged before anything was left: %s", &logged)
	}
	if _, err := join(JoinConfig{DockerHost: two}); err != nil {
		t.Fatal(err)
	}
	at(two)
	unlock, err := LockData(dir) // as a node that runs
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join(JoinConfig{URL: "tls://127.0.0.1:1", Token: w.token()}); err == nil || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("while it runs: %v", err)
	}
	unlock()
	for _, want := range []string{"are left at the engine", one, "shop/web-1"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("nothing is said of %q: %s", want, &logged)
		}
	}
}

// TestN2TheEngineOfBefore: a cluster starts at the engine that it has containers
// at, and is not taken away from them.
func TestN2TheEngineOfBefore(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///run/no-such-engine.sock")
	dir, one, two, empty := t.TempDir(), engineWith(t, "shop/web-1"), engineWith(t), engineWith(t)
	start := func(cfg Config) error {
		t.Helper()
		cfg.DataDir, cfg.Listen = dir, "127.0.0.1:0"
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.chooseNodes(t.Context())
	}
	for _, step := range []struct {
		cfg    Config
		engine string // afterwards
		says   string
	}{
		{Config{DockerHost: empty, NodeName: "here"}, empty, ""},
		{Config{DockerHost: one}, one, ""},
		{Config{}, one, ""},
		{Config{DockerHost: two}, one, "Start without --docker-host"},
		{Config{Runtime: RuntimeSimulated}, one, "Start without --runtime simulated"},
		{Config{Nodes: 3}, one, "shop/web-1"},
	} {
		err := start(step.cfg)
		if (err != nil) != (step.says != "") || err != nil && !strings.Contains(err.Error(), step.says) {
			t.Errorf("%+v: %v, want %q", step.cfg, err, step.says)
		}
		if host, _ := keptEngine(nodeDir(dir)); host != step.engine {
			t.Errorf("%+v: the engine is %q, want %q", step.cfg, host, step.engine)
		}
	}
}

// TestN2SimulatedNodesComeBack: as many as there were, until something else is
// asked for.
func TestN2SimulatedNodesComeBack(t *testing.T) {
	t.Setenv("DOCKER_HOST", engineWith(t))
	dir := t.TempDir()
	for _, step := range []struct {
		cfg     Config
		runtime Runtime
		nodes   int
		kept    string
	}{
		{Config{Runtime: RuntimeSimulated, Nodes: 3}, RuntimeSimulated, 3, ""},
		{Config{}, RuntimeSimulated, 3, "--runtime simulated --nodes 3"},
		{Config{Runtime: RuntimeSimulated}, RuntimeSimulated, 3, "--nodes 3"},
		{Config{Nodes: 2}, RuntimeSimulated, 2, ""},
		{Config{}, RuntimeSimulated, 2, "--runtime simulated --nodes 2"},
		{Config{Runtime: RuntimeDocker}, RuntimeDocker, 1, ""},
		{Config{}, RuntimeDocker, 1, ""},
	} {
		cfg := step.cfg
		cfg.DataDir, cfg.Listen = dir, "127.0.0.1:0"
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = c.chooseNodes(t.Context())
		if is := c.Info(); err != nil || is.Runtime != step.runtime || len(is.Nodes) != step.nodes || is.Kept != step.kept {
			t.Errorf("%+v: %+v, %v", step, is, err)
		}
		c.Close()
	}
}
