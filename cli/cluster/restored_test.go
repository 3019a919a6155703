package cluster

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"segno/bus"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// lockedLines is a log that many write.
type lockedLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// warnings are the lines of a log that warn.
func warnings(lines *lockedLines) (out []string) {
	for line := range strings.Lines(lines.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			out = append(out, line)
		}
	}
	return out
}

// restoredData is a data directory made of a backup.
func restoredData(t *testing.T) string {
	t.Helper()
	var data []byte
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 1})
		w.configMap("one")
		w.configMap("two")
		data = w.backup()
	})
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(t.Context(), RestoreConfig{Backup: bytes.NewReader(data), File: "monday.backup", DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// changedCopy proves a copy of a folder in which something was changed.
func changedCopy(t *testing.T, dir string, change func(dir string) error) (wrong string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.CopyFS(copied, os.DirFS(dir)), change(copied)); err != nil {
		t.Fatal(err)
	}
	_, wrong = proveData(t, copied)
	return wrong
}

// end is where the events of a folder end.
func end(t *testing.T, dir string) proto.Position {
	t.Helper()
	cfg := folds(kinds.Table(), dir)[proto.StreamEvents]
	fold, err := projections.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer fold.Close()
	return fold.Position()
}

// TestE14ARestoredDirectoryIsProvedBeforeItsFirstStart: its log is still to be
// written, which is no loss; anything else that is not there is one.
func TestE14ARestoredDirectoryIsProvedBeforeItsFirstStart(t *testing.T) {
	dir := restoredData(t)
	found, wrong := proveData(t, dir)
	if wrong != "" {
		t.Fatalf("a restored folder is wrong: %s", wrong)
	}
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		if got := found[stream]; got.Restored != "monday.backup" || got.Records != 0 {
			t.Errorf("%s: %+v", stream, got)
		}
	}
	for name, change := range map[string]func(dir string) error{
		"its state is gone": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "state")) },
		"its mark is gone":  func(dir string) error { return os.Remove(anchorFile(dir, proto.StreamEvents)) },
		"it ends elsewhere": func(dir string) error {
			at := end(t, dir)
			at.Seq++
			return bus.MarkRestored(anchorFile(dir, proto.StreamEvents), at, "monday.backup")
		},
		"it is another history": func(dir string) error {
			at := end(t, dir)
			at.Hash[0] ^= 1
			return bus.MarkRestored(anchorFile(dir, proto.StreamEvents), at, "monday.backup")
		},
	} {
		if wrong := changedCopy(t, dir, change); wrong == "" {
			t.Errorf("%s: nothing is wrong", name)
		}
	}

	lines := &lockedLines{}
	w, stop := newWorld(t, Config{DataDir: dir, Nodes: 1, Runtime: RuntimeSimulated, Log: slog.New(slog.NewTextHandler(lines, nil))})
	w.configMap("afterwards")
	for _, line := range warnings(lines) {
		t.Errorf("the first start says: %s", line)
	}
	stop()
	if found, wrong = proveData(t, dir); wrong != "" || found[proto.StreamEvents].Restored != "" || found[proto.StreamEvents].Records == 0 {
		t.Fatalf("started: %+v, %s", found[proto.StreamEvents], wrong)
	}
	// A mark that somebody puts there, of an older or a made-up end, hides nothing.
	for name, change := range map[string]func(at *proto.Position){
		"older":   func(at *proto.Position) { at.Seq-- },
		"made up": func(at *proto.Position) { at.Hash[0] ^= 1 },
	} {
		wrong := changedCopy(t, dir, func(dir string) error {
			at := end(t, dir)
			change(&at)
			return errors.Join(os.RemoveAll(filepath.Join(dir, "log", "jetstream")), bus.MarkRestored(anchorFile(dir, proto.StreamEvents), at, "monday.backup"))
		})
		if wrong == "" {
			t.Errorf("a mark that is %s hides that the log is gone", name)
		}
	}
}

// TestE14ARestoredDirectoryWithoutItsStateDoesNotStart as an empty cluster.
func TestE14ARestoredDirectoryWithoutItsStateDoesNotStart(t *testing.T) {
	dir := restoredData(t)
	if err := os.RemoveAll(filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{DataDir: dir, Nodes: 1, Runtime: RuntimeSimulated})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "Restore the data directory from a backup") {
		t.Errorf("it ended with: %v", err)
	}
}
