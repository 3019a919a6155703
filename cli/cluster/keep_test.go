package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"segno/bus"
	"segno/cli/api/history"
	"segno/cli/archive"
	"segno/projections"
	"segno/proto"
)

// TestE14OldEpochsAreArchivedAndNothingIsLost writes for hours: what is older than
// what is kept lies in files and no longer in the log, and reads as before.
func TestE14OldEpochsAreArchivedAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "archive")
		lines := &lockedLines{}
		w, _ := newWorld(t, Config{Nodes: 1, Keep: Keeping{For: 4 * time.Hour, Archive: folder}, Log: slog.New(slog.NewTextHandler(lines, nil))})
		w.configMap("first")
		first := w.cluster.View().Seq()
		for i := range 24 {
			time.Sleep(30 * time.Minute)
			w.configMap(fmt.Sprint("m-", i))
		}
		synctest.Wait()

		var list history.Archives
		w.ask(&list, "/apis/history.segno/v1/archives")
		epochs, err := w.cluster.ledgers[proto.StreamEvents].door.Epochs(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Archives) < 4 || epochs[0].First != list.Archives[len(list.Archives)-1].Last+1 {
			t.Fatalf("archived: %+v, the log has %+v", list.Archives, epochs)
		}
		if info := w.cluster.Info(); info.Keep != 4*time.Hour || info.Archive != folder {
			t.Errorf("it says that it keeps %s, and archives to %s", info.Keep, info.Archive)
		}
		if said := strings.Count(lines.String(), "its stream dropped"); said != len(list.Archives) || !strings.Contains(lines.String(), "stream=EVENTS ") {
			t.Errorf("%d archives are told of, there are %d:\n%s", said, len(list.Archives), lines)
		}
		next := proto.Seq(1)
		for _, a := range list.Archives {
			if a.First != next || time.Since(a.Until) < 4*time.Hour {
				t.Errorf("%s holds %s to %s, up to %s; %s was next", a.File, a.First, a.Last, a.Until, next)
			}
			next = a.Last + 1
			checkArchive(t, filepath.Join(folder, a.File), w)
		}
		if began, err := w.cluster.ledgers.events().TimeOf(epochs[0].Last); err != nil || time.Since(began) > 6*time.Hour {
			t.Errorf("the oldest epoch in the log ends %s ago, %v", time.Since(began), err)
		}
		var past history.List
		w.ask(&past, "/apis/history.segno/v1/history?resource=configmaps&namespace=%s&name=first", space)
		if len(past.Revisions) != 1 || past.Revisions[0].Seq != first {
			t.Errorf("the history of what was archived: %+v", past.Revisions)
		}
		// The files are the log's beginning to whoever folds it again.
		read := proto.Seq(0)
		end, _, err := w.cluster.ledgers.events().PositionAt(next - 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.archives.Read(w.ctx, end, func(seq proto.Seq, encoded []byte) error {
			want, err := w.cluster.ledgers.events().Encoded(seq)
			if err != nil || string(want) != string(encoded) {
				t.Errorf("transaction %s was archived as another one: %v", seq, err)
			}
			read++
			return nil
		}); err != nil || read != next-1 {
			t.Errorf("read %s transactions of %s: %v", read, next-1, err)
		}
	})
}

// checkArchive folds an archived epoch: it begins and ends with the states that
// the cluster had.
func checkArchive(t *testing.T, path string, w *world) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v: %v", path, info.Mode(), err)
	}
	a, err := archive.Open(w.ctx, file, archive.OpenConfig{Table: w.cluster.table})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	fold := a.Logs[proto.StreamEvents]
	want, err := w.cluster.ledgers.events().StateHashAt(fold.Position().Seq)
	if err != nil || fold.StateHash() != want || a.Differs != 0 {
		t.Errorf("%s ends with state %s, the cluster had %s: %v", path, fold.StateHash().Short(), want.Short(), err)
	}
}

// TestE14AnEpochThatCannotBeArchivedStays: where the file cannot be written,
// nothing is dropped.
func TestE14AnEpochThatCannotBeArchivedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "archive")
		if err := os.WriteFile(folder, nil, 0o600); err != nil { // no folder
			t.Fatal(err)
		}
		w, _ := newWorld(t, Config{Nodes: 1, Keep: Keeping{For: time.Hour, Archive: folder}})
		for i := range 12 {
			time.Sleep(30 * time.Minute)
			w.configMap(fmt.Sprint("m-", i))
		}
		synctest.Wait()
		oldest := func() bus.Epoch {
			epochs, err := w.cluster.ledgers[proto.StreamEvents].door.Epochs(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			return epochs[0]
		}
		if e := oldest(); e.First != 1 || !e.Sealed {
			t.Errorf("the oldest epoch is %+v", e)
		}
		if err := os.Remove(folder); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if e := oldest(); e.First == 1 {
			t.Errorf("it is not tried again: %+v", e)
		}
	})
}

// TestE14AFoldThatWasCutShortIsMadeAnew: one that ends before the log begins, be
// it of this history or of another.
func TestE14AFoldThatWasCutShortIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Runtime: RuntimeSimulated, Keep: Keeping{For: 1000 * time.Hour}}
	w, stop := newWorld(t, cfg)
	for i := range 3 {
		w.configMap(fmt.Sprint("m-", i))
	}
	events := w.cluster.ledgers[proto.StreamEvents]
	if err := events.door.Roll(w.ctx); err != nil {
		t.Fatal(err)
	}
	epochs, err := events.door.Epochs(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cluster.archiveEpoch(w.ctx, epochs[0]); err != nil {
		t.Fatal(err)
	}
	archived := epochs[0].Last
	w.configMap("behind")
	end, _, err := events.fold.PositionAt(archived)
	if err != nil {
		t.Fatal(err)
	}
	var half []proto.Entry
	for entry, err := range events.fold.Entries(w.ctx, 1, archived-1) {
		if err != nil {
			t.Fatal(err)
		}
		half = append(half, entry.Entry)
	}
	table := w.cluster.table
	stop()

	state := folds(table, dir)[proto.StreamEvents]
	cut := func(t *testing.T, refolding bool, entries []proto.Entry) {
		t.Helper()
		if err := os.RemoveAll(state.Dir); err != nil {
			t.Fatal(err)
		}
		fold, err := projections.Open(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(fold.Commit(entries, nil), fold.Close()); err != nil {
			t.Fatal(err)
		}
		file := anchorFile(dir, proto.StreamEvents)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var anchor map[string]any
		if err := json.Unmarshal(data, &anchor); err != nil {
			t.Fatal(err)
		}
		anchor["refolding"] = refolding
		if data, err = json.Marshal(anchor); err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	other := *half[0].Envelope
	other.Actor = "user:somebody-else"
	encoded := proto.Encode(&other)
	for name, entries := range map[string][]proto.Entry{
		"of this history": half,
		"of another":      {{Envelope: &other, Encoded: encoded, Hash: proto.HashOf(encoded)}},
	} {
		t.Run(name, func(t *testing.T) {
			cut(t, true, entries)
			w, stop := newWorld(t, cfg)
			if got, _, err := w.cluster.ledgers.events().PositionAt(archived); err != nil || got.Hash != end.Hash {
				t.Errorf("the fold has %s at %s, want %s: %v", got.Hash.Short(), archived, end.Hash.Short(), err)
			}
			stop()
			if _, err := os.Stat(state.Dir + halfSuffix); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
	t.Run("that nobody folded again", func(t *testing.T) { // it may be somebody's last copy
		cut(t, false, half)
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "what lies between was archived. Delete the fold's folder") {
			t.Errorf("%v", err)
		}
	})
}
