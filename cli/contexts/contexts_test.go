package contexts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

func entry(name string) Entry {
	return Entry{
		Name: name, DataDir: "/data/" + name, Server: "https://127.0.0.1:6443", CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key"),
		Bus: Bus{URL: "tls://127.0.0.1:4222", CA: []byte("ca"), User: "admin", Seed: "SUSEED"},
	}
}

func TestO9ContextsMergeAndKeepWhatWasThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "config")
	for _, name := range []string{"one", "two"} {
		if err := entry(name).Merge(file); err != nil {
			t.Fatal(err)
		}
	}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Contexts) != 2 || config.CurrentContext != "two" {
		t.Fatalf("contexts %v, current %q", config.Contexts, config.CurrentContext)
	}
	bus, err := BusOf(*config, "one")
	if err != nil {
		t.Fatal(err)
	}
	want := entry("one").Bus
	if diff := cmp.Diff(&want, bus); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"one": "/data/one", "": "/data/two", "three": ""} {
		if dir, err := DataDirOf(*config, name); err != nil || dir != want {
			t.Errorf("data directory of the context %q: %q, %v; want %q", name, dir, err, want)
		}
	}
	if err := Remove(file, "two"); err != nil {
		t.Fatal(err)
	}
	if config, err = clientcmd.LoadFromFile(file); err != nil || len(config.Contexts) != 1 || config.CurrentContext != "" {
		t.Errorf("after Remove: %v, current %q, %v", config.Contexts, config.CurrentContext, err)
	}
}

func TestU5RunFilesTellLivingFromDead(t *testing.T) {
	t.Setenv(EnvHome, t.TempDir())
	alive := Run{Name: "a", PID: os.Getpid()}
	if err := alive.Save(); err != nil {
		t.Fatal(err)
	}
	runs, err := Runs()
	if err != nil || len(runs) != 1 {
		t.Fatalf("runs %v, %v", runs, err)
	}
	if !runs[0].Alive() {
		t.Error("this very process is said to be dead")
	}
	reused := runs[0]
	reused.Birth = "1"
	if reused.Alive() {
		t.Error("a process with the same PID but another start time is said to be ours")
	}
	if err := alive.Forget(); err != nil {
		t.Fatal(err)
	}
	if runs, _ = Runs(); len(runs) != 0 {
		t.Errorf("run files left: %v", runs)
	}
}
