package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"segno/proto"
)

// TestN2RealContainersAreNotSimulated: a cluster that has had containers at an
// engine waits for it; only one that never had any may pretend.
func TestN2RealContainersAreNotSimulated(t *testing.T) {
	gone := "unix://" + filepath.Join(t.TempDir(), "no-engine.sock")
	start := func(cfg Config) (*Cluster, error) {
		t.Helper()
		cfg.DockerHost, cfg.NodeName, cfg.Listen = gone, "here", "127.0.0.1:0"
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c, c.chooseNodes(t.Context())
	}
	for _, test := range []struct {
		runtime Runtime
		had     string // a file of a Docker node
		want    Runtime
		node    proto.NodeName
		fails   bool
	}{
		{runtime: RuntimeAuto, want: RuntimeSimulated, node: "sim-1"},
		{runtime: RuntimeAuto, had: engineFile, want: RuntimeDocker, node: "here"},
		{runtime: RuntimeAuto, had: credentialFile, want: RuntimeDocker, node: "here"},
		{runtime: RuntimeSimulated, had: engineFile, want: RuntimeSimulated, node: "sim-1"},
		{runtime: RuntimeDocker, had: engineFile, fails: true},
		{runtime: RuntimeDocker, fails: true},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "node", test.had)
		if test.had != "" {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			content := "unix:///run/other.sock\n"
			if test.had == credentialFile {
				content = `{"actor": "node:here"}`
			}
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := start(Config{DataDir: dir, Runtime: test.runtime})
		if test.fails {
			if err == nil || !strings.Contains(err.Error(), "ask the Docker engine") {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil || c.cfg.Runtime != test.want || len(c.nodes) != 1 || c.nodes[0].name != test.node {
			t.Errorf("%+v: %s, %+v, %v", test, c.cfg.Runtime, c.nodes, err)
		}
		if asked := test.runtime == RuntimeSimulated; asked != (c.why == "") {
			t.Errorf("%+v: nobody learns why: %q", test, c.why)
		}
		if host, used := keptEngine(nodeDir(dir)); test.had == engineFile && (!used || host != "unix:///run/other.sock") {
			t.Errorf("%+v: where the containers are was forgotten: %q", test, host)
		}
	}
}
