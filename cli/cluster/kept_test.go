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
	if _, err := join(JoinConfig{URL: w.cluster.Info().Bus, Token: w.token(), Name: "second", DockerHost: one}); err != nil {
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
	for _, want := range []string{"are left at the engine", one, "shop/web-1"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("nothing is said of %q: %s", want, &logged)
		}
	}
}

