package bus

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// written is a cleanly stopped log of three blocks and its fold.
type written struct {
	dir  string // store folder
	fold *testFold
	last proto.Seq
}

// once runs a server and a sequencer on the folder until use returns, and
// answers what the sequencer's Run did.
func once(t *testing.T, dir string, fold *testFold, use func(*Sequencer)) error {
	t.Helper()
	return onceWith(t, dir, fold, usualEffort, use)
}

func onceWith(t *testing.T, dir string, fold *testFold, effort effort, use func(*Sequencer)) error {
	t.Helper()
	return onceOn(t, proto.StreamEvents, dir, fold, effort, use)
}

func onceOn(t *testing.T, stream, dir string, fold *testFold, effort effort, use func(*Sequencer)) error {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := NewServer(ServerConfig{StoreDir: filepath.Join(dir, "log"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	seq, err := NewSequencer(SequencerConfig{
		Server: server, Stream: stream, Fold: fold, Table: fold.table, Decide: testDecide,
		Anchor: filepath.Join(dir, "anchor"), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	seq.effort = effort
	serverCtx, stopServer := context.WithCancel(t.Context())
	serverDone := make(chan error, 1)
	go func() { serverDone <- server.Run(serverCtx) }()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- seq.Run(ctx) }()
	if err := seq.Ready(t.Context()); err == nil {
		use(seq)
	}
	stop()
	err = <-done
	stopServer()
	if err := <-serverDone; err != nil {
		t.Fatal(err)
	}
	return err
}

func appendTo(t *testing.T, seq *Sequencer, name string, size int) proto.Seq {
	t.Helper()
	object := newConfigMap(name)
	object.Data = map[string]string{"text": strings.Repeat(name[:1], size)}
	out, err := seq.Submit(t.Context(), events.Command{Actor: "user:test", Action: events.Create{
		Key: configMaps.Key("default", name), Object: object, UID: types.UID("uid-" + name),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Seq
}

func writeLog(t *testing.T) written {
	t.Helper()
	w := written{dir: t.TempDir(), fold: newTestFold()}
	err := once(t, w.dir, w.fold, func(seq *Sequencer) {
		for i := range 100 {
			w.last = appendTo(t, seq, fmt.Sprintf("cm-%d", i), 200_000)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(blocks(t, w.dir)); n != 3 {
		t.Fatalf("the log has %d blocks, these tests need 3", n)
	}
	return w
}

// copied is the log in a folder of its own, to be damaged.
func (w written) copied(t *testing.T) written {
	t.Helper()
	dir := t.TempDir()
	full := blocks(t, w.dir)[:2] // nobody appends to these, so a link will do
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, w.dir))
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o750)
		case slices.Contains(full, path):
			return os.Link(path, to)
		default:
			return copyFile(path, to)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return written{dir: dir, fold: w.fold.copied(), last: w.last}
}

// change replaces a file, which may be a link, by a changed one.
func change(t *testing.T, file string, how func(data []byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, how(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *testFold) copied() *testFold {
	to := newTestFold()
	for seq := proto.Seq(1); seq <= f.at.Seq; seq++ {
		entry, err := link(to.at, seq, f.encoded[seq])
		if err != nil {
			panic(err)
		}
		if err := to.Commit([]proto.Entry{entry}, nil); err != nil {
			panic(err)
		}
	}
	return to
}

func streamFolder(dir string) string { return folderOf(dir, proto.StreamEvents) }

func folderOf(dir, stream string) string {
	return filepath.Join(dir, "log", "jetstream", "$G", "streams", stream)
}

func blocks(t *testing.T, dir string) []string {
	t.Helper()
	return blocksIn(t, streamFolder(dir))
}

func blocksIn(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b string) int {
		return len(a) - len(b) + strings.Compare(a, b)
	})
	return found
}

type damaging func(t *testing.T, dir string)

func removed(names ...string) damaging {
	return func(t *testing.T, dir string) {
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(streamFolder(dir), name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func removedBlock(number int) damaging {
	return func(t *testing.T, dir string) {
		if err := os.Remove(blocks(t, dir)[number]); err != nil {
			t.Fatal(err)
		}
	}
}

// flipped changes one bit of a block, at a part of its length.
func flipped(number int, part float64) damaging {
	return func(t *testing.T, dir string) {
		change(t, blocks(t, dir)[number], func(data []byte) []byte {
			data[int(part*float64(len(data)-1))] ^= 4
			return data
		})
	}
}

// cut leaves a part of a block.
func cut(number int, part float64) damaging {
	return func(t *testing.T, dir string) {
		change(t, blocks(t, dir)[number], func(data []byte) []byte { return data[:int(part*float64(len(data)))] })
	}
}

// zeroed overwrites the end of a block with zeroes.
func zeroed(number int, part float64) damaging {
	return func(t *testing.T, dir string) {
		change(t, blocks(t, dir)[number], func(data []byte) []byte {
			clear(data[int(part*float64(len(data))):])
			return data
		})
	}
}

func both(all ...damaging) damaging {
	return func(t *testing.T, dir string) {
		for _, one := range all {
			one(t, dir)
		}
	}
}

var damages = map[string]damaging{
	"nothing":                     both(),
	"index.db removed":            removed("msgs/index.db"),
	"meta.inf removed":            removed("meta.inf"),
	"meta.sum removed":            removed("meta.sum"),
	"stream folder removed":       removed("."),
	"messages folder removed":     removed("msgs"),
	"first block removed":         removedBlock(0),
	"middle block removed":        removedBlock(1),
	"last block removed":          removedBlock(2),
	"bit flipped early in first":  flipped(0, 0.001),
	"bit flipped in middle block": flipped(1, 0.5),
	"length flipped in middle":    flipped(1, 0),
	"bit flipped early in last":   flipped(2, 0.01),
	"bit flipped in last":         flipped(2, 0.5),
	"bit flipped at the end":      flipped(2, 1),
	"last block cut by a byte":    cut(2, 0.999999),
	"last block cut in half":      cut(2, 0.5),
	"last block emptied":          cut(2, 0),
	"middle block cut in half":    cut(1, 0.5),
	"first block emptied":         cut(0, 0),
	"last block's end zeroed":     zeroed(2, 0.5),
	"middle block's end zeroed":   zeroed(1, 0.9),
}

// Every damage, with and without the index that NATS keeps beside the blocks
// (it is written at a clean stop and absent after a crash).
func eachDamage(t *testing.T, try func(t *testing.T, w written)) {
	master := writeLog(t)
	for name, damage := range damages {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/index=%t", name, index), func(t *testing.T) {
				w := master.copied(t)
				damage(t, w.dir)
				if !index {
					removed("msgs/index.db")(t, w.dir)
				}
				try(t, w)
			})
		}
	}
}

func TestE3DamagedLogIsRepairedFromTheFold(t *testing.T) {
	eachDamage(t, func(t *testing.T, w written) {
		encoded := map[proto.Seq][]byte{}
		for seq := proto.Seq(1); seq <= w.last; seq++ {
			encoded[seq], _ = w.fold.Encoded(seq)
		}
		if err := once(t, w.dir, w.fold, func(seq *Sequencer) { appendTo(t, seq, "new", 10) }); err != nil {
			t.Fatal(err)
		}
		// The log alone, folded again, has everything that there was.
		again := newTestFold()
		if err := once(t, w.dir, again, func(*Sequencer) {}); err != nil {
			t.Fatal(err)
		}
		for seq, want := range encoded {
			if have, err := again.Encoded(seq); err != nil || !bytes.Equal(have, want) {
				t.Fatalf("transaction %s is not what it was: %v", seq, err)
			}
		}
		if again.records[configMaps.Key("default", "new")] == nil {
			t.Fatal("the append after the repair is missing")
		}
	})
}

func TestE3DamagedLogWithoutFoldIsRefusedOrWhole(t *testing.T) {
	refused := 0
	eachDamage(t, func(t *testing.T, w written) {
		fold := newTestFold()
		err := once(t, w.dir, fold, func(*Sequencer) {})
		if err == nil && fold.Position().Seq < w.last {
			t.Fatalf("the log came back shorter: %s of %s", fold.Position().Seq, w.last)
		}
		if err == nil {
			return
		}
		refused++
		for _, want := range []string{"log EVENTS", streamFolder(w.dir), "transaction ", "Restore"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the refusal does not say %q: %v", want, err)
			}
		}
	})
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

// A fold that was deleted and is only half there again is no proof that nobody
// was told of the rest of the log, however old the anchor is.
func TestE3DamageBehindAHalfFoldIsRefusedEachTime(t *testing.T) {
	w := writeLog(t)
	anchored := anchor{Seq: 10, Hash: hexHash(proto.HashOf(w.fold.encoded[10]))}
	if err := anchored.write(filepath.Join(w.dir, "anchor")); err != nil {
		t.Fatal(err)
	}
	flipped(1, 0.5)(t, w.dir)
	fold := newTestFold()
	for start := range 3 {
		err := once(t, w.dir, fold, func(*Sequencer) { t.Error("the log is served") })
		if err == nil || !strings.Contains(err.Error(), "is damaged at transaction ") {
			t.Fatalf("start %d: %v", start, err)
		}
		if at := fold.Position().Seq; at <= anchored.Seq || at >= w.last {
			t.Fatalf("start %d: the fold is at %s: this test needs damage behind the anchor", start, at)
		}
	}
}

func TestE3FoldBehindCatchesUp(t *testing.T) {
	w := writeLog(t)
	behind := newTestFold()
	for seq := proto.Seq(1); seq <= 40; seq++ {
		entry, err := link(behind.at, seq, w.fold.encoded[seq])
		if err != nil {
			t.Fatal(err)
		}
		if err := behind.Commit([]proto.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := once(t, w.dir, behind, func(*Sequencer) {}); err != nil {
		t.Fatal(err)
	}
	if at := behind.Position().Seq; at != w.last+1 {
		t.Fatalf("the fold is at %s, want %s and the election", at, w.last)
	}
}

func TestE3DamagedLogIsKeptAside(t *testing.T) {
	w := writeLog(t)
	flipped(1, 0.5)(t, w.dir)
	if err := once(t, w.dir, w.fold, func(*Sequencer) {}); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(w.dir, "log", "damaged-EVENTS-at-*", "msgs", "*.blk"))
	if err != nil || len(kept) != 3 {
		t.Fatalf("kept aside: %v %v", kept, err)
	}
}

func TestE3LargeLogIsComparedWhileItRuns(t *testing.T) {
	w := writeLog(t)
	large := effort{messages: 10, bytes: 1 << 40, tail: 5}
	if err := onceWith(t, w.dir, w.fold, large, func(seq *Sequencer) { appendTo(t, seq, "new", 10) }); err != nil {
		t.Fatal(err)
	}
	flipped(1, 0.5)(t, w.dir)
	err := onceWith(t, w.dir, w.fold, large, func(seq *Sequencer) { <-seq.stopped })
	if err == nil || !strings.Contains(err.Error(), "start again") {
		t.Fatalf("the damage was not noticed: %v", err)
	}
	if err := onceWith(t, w.dir, w.fold, large, func(*Sequencer) {}); err != nil {
		t.Fatalf("started again: %v", err)
	}
	again := newTestFold()
	if err := once(t, w.dir, again, func(*Sequencer) {}); err != nil {
		t.Fatalf("the log is still damaged: %v", err)
	}
}

func TestE3ForeignFoldIsRefused(t *testing.T) {
	w, other := writeLog(t), newTestFold()
	if err := once(t, t.TempDir(), other, func(seq *Sequencer) {
		for i := range 200 {
			appendTo(t, seq, fmt.Sprintf("other-%d", i), 10)
		}
	}); err != nil {
		t.Fatal(err)
	}
	err := once(t, w.dir, other, func(*Sequencer) {})
	if err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Fatalf("err = %v", err)
	}
}

func TestE3ProgressIsTold(t *testing.T) {
	w := writeLog(t)
	server := startServer(t, ServerConfig{StoreDir: filepath.Join(w.dir, "log")})
	var done, total proto.Seq
	seq, err := NewSequencer(SequencerConfig{
		Server: server, Stream: proto.StreamEvents, Fold: newTestFold(), Table: w.fold.table, Decide: testDecide,
		Progress: func(d, of proto.Seq) { done, total = d, of },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	running(t, func() error { return seq.Run(ctx) })
	t.Cleanup(cancel)
	if err := seq.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if done != w.last || total != w.last {
		t.Fatalf("progress ended at %s of %s, want %s", done, total, w.last)
	}
}

// A sequencer that was fenced is followed by another on the same server.
func TestE2NextSequencerMendsWhatFencedTheLast(t *testing.T) {
	for _, stream := range []string{proto.StreamEvents, proto.StreamLeases} {
		server, fold := startServer(t, ServerConfig{}), newTestFold()
		run := func(use func(*Sequencer)) error {
			seq, err := NewSequencer(SequencerConfig{Server: server, Stream: stream, Fold: fold, Table: fold.table, Decide: testDecide})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- seq.Run(ctx) }()
			if seq.Ready(t.Context()) == nil {
				use(seq)
			}
			stop()
			return <-done
		}
		err := run(func(seq *Sequencer) {
			appendTo(t, seq, "a", 10)
			conn, err := server.Connect("foreign")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.nc.RequestWithContext(t.Context(), proto.LogSubject(stream, proto.ObjectKey{}), []byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := seq.Submit(t.Context(), createConfigMap("b")); err == nil {
				t.Error("appended behind a foreign message")
			}
		})
		if err == nil {
			t.Fatalf("%s: the first sequencer goes on", stream)
		}
		if err := run(func(seq *Sequencer) { appendTo(t, seq, "b", 10) }); err != nil {
			t.Fatalf("%s: %v", stream, err)
		}
	}
}

// The fold of the leases lets go of its oldest history before the log does.
func TestE2LeasesAreMendedAsFarAsTheFoldReaches(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	run := func(name string) {
		t.Helper()
		err := onceOn(t, proto.StreamLeases, dir, fold, usualEffort, func(seq *Sequencer) { appendTo(t, seq, name, 10) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if have, err := fold.View().Get(configMaps.Key("default", name)); err != nil || have == nil {
			t.Errorf("%s was not appended: %v", name, err)
		}
	}
	for i := range 20 {
		run(fmt.Sprintf("a-%d", i))
	}
	for seq := range proto.Seq(15) {
		delete(fold.encoded, seq+1)
	}
	run("b")
	folder := folderOf(dir, proto.StreamLeases)
	have := blocksIn(t, folder)
	change(t, have[len(have)-1], func(data []byte) []byte {
		data[len(data)-100] ^= 4
		return data
	})
	run("c")
	if kept, err := filepath.Glob(filepath.Join(dir, "log", "damaged-LEASES-*")); err != nil || len(kept) != 1 {
		t.Errorf("of the damaged log was kept %v, %v", kept, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	run("d")
}

// Renewals run for ever: the log of the leases drops its oldest messages, and
// the room they took.
func TestE1TheLogOfLeasesTakesBoundedRoom(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	size := func() (bytes int64) {
		for _, block := range blocksIn(t, folderOf(dir, proto.StreamLeases)) {
			info, err := os.Stat(block)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return bytes
	}
	for round := range 2 {
		err := onceOn(t, proto.StreamLeases, dir, fold, usualEffort, func(seq *Sequencer) {
			var all errgroup.Group
			for writer := range 200 {
				all.Go(func() error {
					for n := range 5 * leasesKept / 4 / 200 {
						name := fmt.Sprintf("%d-%d-%d", round, writer, n)
						object := newConfigMap(name)
						object.Data = map[string]string{"text": strings.Repeat("x", 1000)}
						_, err := seq.Submit(t.Context(), events.Command{Actor: "user:test", Action: events.Create{
							Key: configMaps.Key("default", name), Object: object, UID: types.UID(name),
						}})
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := all.Wait(); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	written := int64(len(fold.encoded)) * int64(len(fold.encoded[1]))
	if took := size(); took > written*2/3 {
		t.Errorf("of %d KiB that were written the log takes %d KiB", written>>10, took>>10)
	}
}
