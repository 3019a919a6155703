package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/archive"
	"segno/proto"
)

// backup downloads one.
func (w *world) backup() []byte {
	w.t.Helper()
	code, body := w.get("/apis/history.segno/v1/backup")
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil || code != http.StatusOK {
		w.t.Fatalf("backup: %d, %v: %s", code, err, data)
	}
	return data
}

func (w *world) configMap(name string) {
	w.t.Helper()
	_, err := w.client.CoreV1().ConfigMaps(space).Create(w.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		w.t.Error(err)
	}
}

// TestE14ABackupIsTheClusterAgain: taken while it is written to, as of one
// sequence; restored it has the same state, history and leases, and goes on.
func TestE14ABackupIsTheClusterAgain(t *testing.T) {
	var data []byte
	states := map[proto.Seq]proto.Hash{}
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		w.create(web(3, "nginx:1"))
		w.follow("all run", func() bool { return ready(w.pods(), "") == 3 })
		time.Sleep(2 * time.Hour) // more heartbeats than a backup takes
		var writes sync.WaitGroup
		for i := range 4 {
			writes.Go(func() {
				for j := range 25 {
					w.configMap(fmt.Sprintf("m-%d-%d", i, j))
				}
			})
		}
		data = w.backup()
		writes.Wait()
		fold := w.cluster.ledgers.events()
		for seq := proto.Seq(1); seq <= fold.Position().Seq; seq++ {
			state, err := fold.StateHashAt(seq)
			if err != nil {
				t.Fatal(err)
			}
			states[seq] = state
		}
	})
	dir := filepath.Join(t.TempDir(), "data")
	restored, err := Restore(t.Context(), RestoreConfig{Backup: bytes.NewReader(data), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if restored.State != states[restored.To].String() {
		t.Errorf("restored as of %s with state %.12s, it was %s", restored.To, restored.State, states[restored.To].Short())
	}
	w, stop := newWorld(t, Config{DataDir: dir, Nodes: 2, Runtime: RuntimeSimulated})
	fold := w.cluster.ledgers.events()
	for seq := proto.Seq(1); seq <= restored.To; seq++ {
		if state, err := fold.StateHashAt(seq); err != nil || state != states[seq] {
			t.Fatalf("state at %s is %s, was %s: %v", seq, state.Short(), states[seq].Short(), err)
		}
	}
	w.follow("all run again", func() bool { return ready(w.pods(), "") == 3 })
	leases, err := w.client.CoordinationV1().Leases("kube-node-lease").List(w.ctx, metav1.ListOptions{})
	if err != nil || len(leases.Items) != 2 {
		t.Errorf("%d leases, %v", len(leases.Items), err)
	}
	w.configMap("afterwards")
	stop()
	w, _ = newWorld(t, Config{DataDir: dir, Nodes: 2, Runtime: RuntimeSimulated}) // the log was written, and belongs to the fold
	for stream, l := range w.cluster.ledgers {
		if report, err := l.fold.Verify(w.ctx, nil); err != nil || report.Problem != nil {
			t.Errorf("%s: %v, %v", stream, report.Problem, err)
		}
	}
}

// TestE14ARestoreLeavesNothingHalf: whatever goes wrong, nothing is there that
// could be started.
func TestE14ARestoreLeavesNothingHalf(t *testing.T) {
	var data, span []byte
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 1})
		data = w.backup()
		_, body := w.get("/apis/history.segno/v1/export?secrets=true")
		defer body.Close()
		var err error
		if span, err = io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
	})
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		data []byte
		want string
	}{
		"cut short":   {t.Context(), data[:len(data)/2], "damaged"},
		"no backup":   {t.Context(), span, "it is no backup but an exported span"},
		"interrupted": {cancelled, data, "cancel"},
		"files that lie elsewhere": {t.Context(), written(t, archive.Config{
			Backup: true, Secrets: true, Files: []archive.File{{Name: "pki/../../evil.key"}},
		}), "is no file of a backup"},
	} {
		_, err := Restore(c.ctx, RestoreConfig{Backup: bytes.NewReader(c.data), DataDir: dir})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), RestoreConfig{Backup: bytes.NewReader(data), DataDir: dir}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("over somebody's files: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), RestoreConfig{Backup: bytes.NewReader(data), DataDir: dir}); err != nil {
		t.Errorf("to an empty folder: %v", err)
	}
}

// written is an archive of an empty cluster.
func written(t *testing.T, cfg archive.Config) []byte {
	t.Helper()
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cfg.Table, cfg.Spans = c.table, []archive.Span{{Stream: proto.StreamEvents, Fold: c.ledgers.events(), From: 1}}
	var out bytes.Buffer
	if err := archive.Write(t.Context(), &out, cfg); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestE14OnlyFilesOfABackupAreWritten: what a file is called says where it goes.
func TestE14OnlyFilesOfABackupAreWritten(t *testing.T) {
	for _, name := range []string{"pki/ca.key", "pki/admin.json", "node/credential.json", "kubeconfig", "node/simulated"} {
		if !restorable(name) {
			t.Errorf("%s is not restored", name)
		}
	}
	for _, name := range []string{"../pki/ca.key", "/pki/ca.key", "pki/../../a.key", "state/000001.log", "lock", "", "pki/a/b.key", "pki/..", "anchor-EVENTS"} {
		if restorable(name) {
			t.Errorf("%s is restored", name)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"pki/ca.key", "node/engine", "node/other", "segno.log"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := keptFiles(dir, slices.Concat(keyFiles, settingFiles))
	if err != nil || len(files) != 2 || files[0].Name != "pki/ca.key" || files[1].Name != "node/engine" {
		t.Errorf("kept: %v, %v", files, err)
	}
}
