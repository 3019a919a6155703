package contexts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"segno/cli/internal/replace"
)

func entry(name string) Entry {
	return Entry{
		Name: name, DataDir: "/data/" + name, Server: "https://127.0.0.1:6443", CA: []byte("ca"), ClientCert: []byte("cert"), ClientKey: []byte("key"),
		Bus: Bus{URL: "tls://127.0.0.1:4222", CA: []byte("ca"), User: "admin", Seed: "SUSEED"},
	}
}

// keep puts a seed where the cluster of a data directory keeps it.
func keep(t *testing.T, dataDir, seed string) {
	t.Helper()
	if err := replace.File(SeedFile(dataDir), []byte(`{"actor":"user:admin","seed":"`+seed+`"}`)); err != nil {
		t.Fatal(err)
	}
}

// TestO9AKubeconfigHoldsNoSeed: it names the file, and is good for HTTPS where
// the file is not, or is another cluster's.
func TestO9AKubeconfigHoldsNoSeed(t *testing.T) {
	dir := t.TempDir()
	e := entry("one")
	e.DataDir = filepath.Join(dir, "data")
	keep(t, e.DataDir, e.Bus.Seed)
	own, merged := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "home", "config")
	if err := errors.Join(e.Write(own), e.Merge(merged)); err != nil {
		t.Fatal(err)
	}
	door := func(file string) Bus {
		t.Helper()
		config, err := clientcmd.LoadFromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bus, err := BusOf(*config, "one")
		if err != nil || bus == nil {
			t.Fatalf("%v, %v", bus, err)
		}
		return *bus
	}
	for _, file := range []string{own, merged} {
		if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), e.Bus.Seed) {
			t.Errorf("%s has the seed (%v):\n%s", file, err, data)
		}
		if diff := cmp.Diff(e.Bus, door(file)); diff != "" {
			t.Error(diff)
		}
	}
	keep(t, e.DataDir, "SUOTHER")
	if bus := door(own); bus.Seed != "" || bus.URL != e.Bus.URL {
		t.Errorf("another cluster's seed is taken for ours: %+v", bus)
	}
	if err := os.RemoveAll(e.DataDir); err != nil {
		t.Fatal(err)
	}
	if bus := door(own); bus.Seed != "" || bus.User != "admin" {
		t.Errorf("without the file: %+v", bus)
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
	want.Seed = "" // there is no such data directory
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

// TestO9ManyMayChangeTheContextsAtOnce: nobody's change is lost, and kubectl's
// lock is one for us as well.
func TestO9ManyMayChangeTheContextsAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	const writers = 12
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if err := errors.Join(entry(fmt.Sprint("c", i)).Merge(file), entry("x").Merge(file), Remove(file, "x")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	config, err := clientcmd.LoadFromFile(file)
	if err != nil || len(config.Contexts) != writers {
		t.Errorf("%d contexts, %v", len(config.Contexts), err)
	}
	held := file + ".lock"
	if err := os.WriteFile(held, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var freed sync.WaitGroup
	freed.Go(func() {
		if err := entry("late").Merge(file); err != nil {
			t.Error(err)
		}
	})
	if config, err = clientcmd.LoadFromFile(file); err != nil || config.Contexts["late"] != nil {
		t.Errorf("changed in spite of the lock: %v", err)
	}
	if err := os.Remove(held); err != nil {
		t.Fatal(err)
	}
	freed.Wait()
	if config, err = clientcmd.LoadFromFile(file); err != nil || config.Contexts["late"] == nil {
		t.Errorf("not changed once the lock is gone: %v", err)
	}
}

// TestO9KeysNeedAHome: without one nothing is written where others could.
func TestO9KeysNeedAHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv(EnvHome, "")
	if err := CheckHome(); err == nil {
		t.Error("nothing is said to be missing")
	}
	if err := entry("a").Merge(File()); err == nil {
		t.Errorf("a key was written to %s", File())
	}
	t.Setenv(EnvHome, t.TempDir())
	if err := errors.Join(CheckHome(), entry("a").Merge(File())); err != nil {
		t.Error(err)
	}
}

// TestU5ABrokenRunFileStopsNobody: the others are found all the same.
func TestU5ABrokenRunFileStopsNobody(t *testing.T) {
	t.Setenv(EnvHome, t.TempDir())
	if err := (Run{Name: "a", PID: os.Getpid()}).Save(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(runFolder(), "b.json"), []byte(`{"name":"b","pi`), 0o600); err != nil {
		t.Fatal(err)
	}
	if runs, err := Runs(); err != nil || len(runs) != 1 || !runs[0].Alive() {
		t.Errorf("%v, %v", runs, err)
	}
}

// TestE14AnIncidentStandsAsideOfACluster: it does not become the current context
// where there is one.
func TestE14AnIncidentStandsAsideOfACluster(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	incident := entry("incident")
	incident.Aside = true
	current := func() string {
		t.Helper()
		config, err := clientcmd.LoadFromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return config.CurrentContext
	}
	if err := incident.Merge(file); err != nil || current() != "incident" {
		t.Errorf("without a cluster: %v", err)
	}
	if err := errors.Join(Remove(file, "incident"), entry("live").Merge(file), incident.Merge(file)); err != nil || current() != "live" {
		t.Errorf("beside a cluster: %v", err)
	}
}
