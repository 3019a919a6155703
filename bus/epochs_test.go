package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/proto"
)

func roll(t *testing.T, seq *Sequencer) {
	t.Helper()
	if err := seq.Roll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func epochsOf(t *testing.T, seq *Sequencer) []Epoch {
	t.Helper()
	list, err := seq.Epochs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// spans are the epochs in one line.
func spans(list []Epoch) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%s %s-%s sealed=%t; ", e.Stream, e.First, e.Last, e.Sealed)
	}
	return b.String()
}

// threeEpochs is a stopped log of three: 1 to 5, 6 to 9, and 10 to 13.
func threeEpochs(t *testing.T) written {
	t.Helper()
	w := written{dir: t.TempDir(), fold: newTestFold()}
	err := once(t, w.dir, w.fold, func(seq *Sequencer) {
		for i := range 12 {
			w.last = appendTo(t, seq, fmt.Sprintf("cm-%d", i), 1000)
			if i == 3 || i == 7 {
				roll(t, seq)
			}
		}
		if got, want := spans(epochsOf(t, seq)), "EVENTS 1-5 sealed=true; EVENTS_1 6-9 sealed=true; EVENTS_2 10-13 sealed=false; "; got != want {
			t.Fatalf("epochs %s, want %s", got, want)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// again starts the log and proves that nothing is lost: neither of what the
// fold had, nor of what the log alone has.
func (w written) again(t *testing.T, fold *testFold) {
	t.Helper()
	err := once(t, w.dir, fold, func(seq *Sequencer) {
		appendTo(t, seq, fmt.Sprintf("new-%d", time.Now().UnixNano()), 10)
		report, err := seq.VerifyFiles(t.Context(), nil)
		if err != nil || report.Damage != nil {
			t.Errorf("the files: %v %v", err, report.Damage)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	refolded := newTestFold()
	if err := once(t, w.dir, refolded, func(*Sequencer) {}); err != nil {
		t.Fatal(err)
	}
	for seq := proto.Seq(1); seq <= w.last; seq++ {
		if !bytes.Equal(refolded.encoded[seq], w.fold.encoded[seq]) {
			t.Fatalf("transaction %s of the log is not what it was", seq)
		}
	}
	if refolded.at.Seq != fold.at.Seq+1 { // the election of its own start
		t.Fatalf("folded again the log reaches %s, the fold %s", refolded.at.Seq, fold.at.Seq)
	}
}

func TestE14LogOfSeveralEpochsStartsAndIsFoldedAgain(t *testing.T) {
	w := threeEpochs(t)
	for seq := proto.Seq(1); seq <= w.last; seq++ {
		env, err := proto.Decode(w.fold.encoded[seq])
		if err != nil {
			t.Fatal(err)
		}
		want := uint32(0)
		for _, begin := range []proto.Seq{6, 10} {
			if seq >= begin {
				want++
			}
		}
		if env.Epoch != want {
			t.Fatalf("transaction %s says that it is of epoch %d, want %d", seq, env.Epoch, want)
		}
	}
	w.again(t, w.fold)
	half := newTestFold() // in the middle of the second epoch
	for seq := proto.Seq(1); seq <= 7; seq++ {
		entry, err := link(half.at, seq, w.fold.encoded[seq])
		if err != nil {
			t.Fatal(err)
		}
		if err := half.Commit([]proto.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.again(t, half)
}

// TestE14DamageOfAnyEpochIsRepaired: of its own stream alone.
func TestE14DamageOfAnyEpochIsRepaired(t *testing.T) {
	for _, stream := range []string{"EVENTS", "EVENTS_1", "EVENTS_2"} {
		for name, damage := range map[string]func(t *testing.T, folder string){
			"folder removed": func(t *testing.T, folder string) {
				if err := os.RemoveAll(folder); err != nil {
					t.Fatal(err)
				}
			},
			"bit flipped": func(t *testing.T, folder string) {
				change(t, blocksIn(t, folder)[0], func(data []byte) []byte { return replaced(data, len(data)/2, data[len(data)/2]^1) })
			},
			"meta.sum removed": func(t *testing.T, folder string) {
				if err := os.Remove(filepath.Join(folder, "meta.sum")); err != nil {
					t.Fatal(err)
				}
			},
			"cut": func(t *testing.T, folder string) {
				change(t, blocksIn(t, folder)[0], func(data []byte) []byte { return data[:len(data)/2] })
				_ = os.Remove(filepath.Join(folder, "msgs", "index.db"))
			},
		} {
			t.Run(stream+"/"+name, func(t *testing.T) {
				w := threeEpochs(t)
				damage(t, folderOf(w.dir, stream))
				w.again(t, w.fold)
			})
		}
	}
}

func TestE14DamageOfASealedEpochWithoutAFoldIsRefused(t *testing.T) {
	for _, stream := range []string{"EVENTS", "EVENTS_1"} {
		w := threeEpochs(t)
		if err := os.RemoveAll(folderOf(w.dir, stream)); err != nil {
			t.Fatal(err)
		}
		err := once(t, w.dir, newTestFold(), func(*Sequencer) { t.Error("it is served") })
		if err == nil || !strings.Contains(err.Error(), "Restore") {
			t.Errorf("without %s: %v", stream, err)
		}
	}
}

func TestE14EveryByteOfEveryEpochIsProved(t *testing.T) {
	d := stopped(t, proto.StreamEvents, newTestFold(), func(seq *Sequencer) {
		fill(t, 2, 20)(seq)
		roll(t, seq)
		appendTo(t, seq, "in-1", 20)
		roll(t, seq)
		appendTo(t, seq, "in-2", 20)
	})
	root := filepath.Dir(filepath.Dir(filepath.Dir(d.files[0])))
	files := d.files
	for _, stream := range []string{"EVENTS_1", "EVENTS_2"} {
		for _, file := range blocksIn(t, filepath.Join(root, stream)) {
			d.learn(t, file)
			files = append(files, file)
		}
	}
	if len(files) != 3 {
		t.Fatalf("files %v", files)
	}
	for _, file := range files {
		for at := range d.whole[file] {
			d.flip(t, file, at, 1<<(at%8))
		}
	}
}

// TestE14NoWriteIsLostOrRefusedWhileTheLogRolls writes from all sides.
func TestE14NoWriteIsLostOrRefusedWhileTheLogRolls(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	const writers, rolls = 8, 20
	var done atomic.Bool
	var count atomic.Int64
	err := once(t, dir, fold, func(seq *Sequencer) {
		var all errgroup.Group
		for w := range writers {
			all.Go(func() error {
				for n := 0; !done.Load(); n++ {
					if _, err := seq.Submit(t.Context(), createConfigMap(fmt.Sprintf("w%d-%d", w, n))); err != nil {
						return err
					}
					count.Add(1)
				}
				return nil
			})
		}
		for range rolls {
			before := seq.Durable()
			for seq.Durable() < before+10 {
				if _, err := seq.Submit(t.Context(), createConfigMap(fmt.Sprintf("r-%d", seq.Durable()))); err != nil {
					t.Fatal(err)
				}
				count.Add(1)
			}
			roll(t, seq)
		}
		done.Store(true)
		if err := all.Wait(); err != nil {
			t.Error(err)
		}
		if n := len(epochsOf(t, seq)); n != rolls+1 {
			t.Errorf("%d epochs, want %d", n, rolls+1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := int64(fold.at.Seq); got != count.Load()+1 {
		t.Errorf("%d transactions for %d writes and an election", got, count.Load())
	}
	written{dir: dir, fold: fold, last: fold.at.Seq}.again(t, fold)
}

// TestE14RollSurvivesAKillAtEachStep takes the steps of a roll apart: what a
// start finds after each is what a kill there leaves.
func TestE14RollSurvivesAKillAtEachStep(t *testing.T) {
	for _, steps := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("after step %d", steps), func(t *testing.T) {
			w := written{dir: t.TempDir(), fold: newTestFold()}
			copied := t.TempDir()
			err := once(t, w.dir, w.fold, func(seq *Sequencer) {
				w.last = appendTo(t, seq, "a", 100)
				log := *seq.journal.Load()
				if steps >= 1 {
					if err := log.seal(t.Context(), 0, seq.cfg.Server.streamDir("EVENTS")); err != nil {
						t.Fatal(err)
					}
				}
				if steps >= 2 {
					next, err := log.stream(1)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := next.ensure(t.Context(), w.last+1); err != nil {
						t.Fatal(err)
					}
				}
				if steps >= 3 { // published, not yet folded
					env := proto.Envelope{Seq: w.last + 1, Epoch: 1, Term: 1, At: w.fold.at.At.Add(1), Actor: "user:x", Verb: "x", Prev: w.fold.at.Hash, Events: []proto.Event{{Kind: "X", Section: proto.SectionMark}}}
					line, err := newLine(log.conn)
					if err != nil {
						t.Fatal(err)
					}
					if err := line.publish(proto.LogSubject("EVENTS_1", proto.ObjectKey{}), proto.Entry{Envelope: &env, Encoded: proto.Encode(&env)}, true); err != nil {
						t.Fatal(err)
					}
					if err := line.wait(t.Context(), env.Seq); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.CopyFS(copied, os.DirFS(w.dir)); err != nil { // as a kill leaves it
					t.Fatal(err)
				}
			})
			_ = err // the sequencer may have noticed what was done behind its back
			killed := written{dir: copied, fold: w.fold.upTo(t, w.last), last: w.last}
			killed.again(t, killed.fold)
			if err := once(t, copied, killed.fold, func(seq *Sequencer) {
				if got := spans(epochsOf(t, seq)); strings.HasPrefix(got, "EVENTS 1-2 sealed=true; EVENTS_1 3-") != (steps > 0) {
					t.Errorf("epochs %s", got)
				}
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// upTo is the fold as it was at a transaction.
func (f *testFold) upTo(t *testing.T, last proto.Seq) *testFold {
	t.Helper()
	to := newTestFold()
	for seq := proto.Seq(1); seq <= last; seq++ {
		entry, err := link(to.at, seq, f.encoded[seq])
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Commit([]proto.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestE14LogRollsByItself(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	server := startServer(t, ServerConfig{StoreDir: filepath.Join(dir, "log")})
	for name, cfg := range map[string]SequencerConfig{"size": {EpochBytes: 5000}, "age": {EpochAge: time.Nanosecond, EpochBytes: -1}, "never": {}} {
		cfg.Server, cfg.Stream, cfg.Fold, cfg.Table, cfg.Decide, cfg.Log = server, proto.StreamEvents, fold, fold.table, testDecide, slog.New(slog.DiscardHandler)
		seq, err := NewSequencer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- seq.Run(ctx) }()
		before := len(epochsOf(t, seq))
		for i := range 10 {
			appendTo(t, seq, fmt.Sprintf("%s-%d", name, i), 1000)
		}
		rolled := len(epochsOf(t, seq)) - before
		switch {
		// The election may be the one that makes an epoch due.
		case name == "size" && (rolled < 1 || rolled > 4), name == "age" && (rolled < 4 || rolled > 6), name == "never" && rolled > 0:
			t.Errorf("%s: the log rolled %d times in ten transactions", name, rolled)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestE14SealedEpochsAreReadAndDropped(t *testing.T) {
	w := threeEpochs(t)
	archived := map[proto.Seq][]byte{}
	err := once(t, w.dir, w.fold, func(seq *Sequencer) {
		for _, c := range []struct {
			epoch uint32
			want  error
		}{{1, ErrNotOldest}, {2, ErrEpochOpen}, {7, ErrNoEpoch}} {
			if err := seq.DropEpoch(t.Context(), c.epoch); !errors.Is(err, c.want) {
				t.Errorf("drop epoch %d: %v, want %v", c.epoch, err, c.want)
			}
		}
		for _, epoch := range []uint32{0, 1} {
			if err := seq.ReadEpoch(t.Context(), epoch, func(at proto.Seq, encoded []byte) error {
				archived[at] = encoded
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if err := seq.DropEpoch(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
		}
		appendTo(t, seq, "after", 10)
		if report, err := seq.VerifyFiles(t.Context(), nil); err != nil || report.Damage != nil || report.Records != 6 {
			t.Errorf("verify after dropping: %v %v", err, report)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(archived) != 9 || !bytes.Equal(archived[3], w.fold.encoded[3]) {
		t.Fatalf("archived %d transactions", len(archived))
	}
	for range 2 { // dropped epochs stay so
		err = once(t, w.dir, w.fold, func(seq *Sequencer) {
			if got := epochsOf(t, seq); len(got) != 1 || got[0].Number != 2 || got[0].First != 10 {
				t.Errorf("epochs %s", spans(got))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := once(t, w.dir, newTestFold(), func(*Sequencer) { t.Error("it is served") }); err == nil || !strings.Contains(err.Error(), "transaction 1") {
		t.Errorf("folded again without its beginning: %v", err)
	}
	w.foldFrom(t, archived)
	// An anchor of before does not say how what was archived ends; the log does.
	file := filepath.Join(w.dir, "anchor")
	old, err := readAnchor(file)
	if err != nil || old.Before == "" {
		t.Fatalf("the anchor is %+v, %v", old, err)
	}
	old.Before = ""
	if err := old.write(file); err != nil {
		t.Fatal(err)
	}
	w.foldFrom(t, archived)
}

// TestE14AnEpochWhoseDropWasCutShortIsNoDamage stops between the word that an epoch
// is dropped and the end of its files.
func TestE14AnEpochWhoseDropWasCutShortIsNoDamage(t *testing.T) {
	w := threeEpochs(t)
	store, kept := filepath.Join(w.dir, "log"), t.TempDir()
	stream := func(epoch uint32) string {
		return streamFiles(store, proto.EpochStream(proto.StreamEvents, epoch))
	}
	for _, epoch := range []uint32{0, 1} {
		if err := os.CopyFS(filepath.Join(kept, fmt.Sprint(epoch)), os.DirFS(stream(epoch))); err != nil {
			t.Fatal(err)
		}
	}
	err := once(t, w.dir, w.fold, func(seq *Sequencer) {
		for _, epoch := range []uint32{0, 1} {
			if err := seq.DropEpoch(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(stream(1), os.DirFS(filepath.Join(kept, "1"))); err != nil {
		t.Fatal(err)
	}
	prove := func() *FileError {
		report, err := VerifyFiles(t.Context(), FilesConfig{
			StoreDir: store, Stream: proto.StreamEvents, Fold: w.fold, Anchor: filepath.Join(w.dir, "anchor"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return report.Damage
	}
	if damage := prove(); damage != nil {
		t.Errorf("what is left of a dropped epoch is called damage: %v", damage)
	}
	for range 2 {
		if err := once(t, w.dir, w.fold, func(seq *Sequencer) {
			if got := epochsOf(t, seq); len(got) != 1 || got[0].First != 10 {
				t.Errorf("epochs %s", spans(got))
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if damage := prove(); damage != nil {
		t.Errorf("after a start: %v", damage)
	}
}

// foldFrom folds a log again whose beginning is in an archive.
func (w written) foldFrom(t *testing.T, archived map[proto.Seq][]byte) {
	t.Helper()
	fold := newTestFold()
	server := startServer(t, ServerConfig{StoreDir: filepath.Join(w.dir, "log")})
	seq, err := NewSequencer(SequencerConfig{
		Server: server, Stream: proto.StreamEvents, Fold: fold, Table: fold.table, Decide: testDecide, Anchor: filepath.Join(w.dir, "anchor"),
		Archive: func(_ context.Context, end proto.Position, each func(proto.Seq, []byte) error) error {
			if want := proto.HashOf(archived[end.Seq]); end.Hash != want {
				t.Errorf("the archive is asked for a history up to %s with hash %s, want %s", end.Seq, end.Hash.Short(), want.Short())
			}
			for at := proto.Seq(1); at <= end.Seq; at++ {
				if err := each(at, archived[at]); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- seq.Run(ctx) }()
	if err := seq.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for at := proto.Seq(1); at <= w.last; at++ {
		if !bytes.Equal(fold.encoded[at], w.fold.encoded[at]) {
			t.Fatalf("transaction %s is not what it was", at)
		}
	}
}

func TestE14RollIsRefusedWhereThereIsNothingToSeal(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	err := once(t, dir, fold, func(seq *Sequencer) {
		roll(t, seq)
		if err := seq.Roll(t.Context()); !errors.Is(err, ErrEpochEmpty) {
			t.Errorf("an empty epoch: %v", err)
		}
		appendTo(t, seq, "a", 10)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = onceOn(t, proto.StreamNotes, t.TempDir(), newTestFold(), usualEffort, func(seq *Sequencer) {
		if err := seq.Roll(t.Context()); !errors.Is(err, ErrNoEpochs) {
			t.Errorf("notes: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestE14LargeLogOfSeveralEpochsIsComparedWhileItRuns: also the sealed ones.
func TestE14LargeLogOfSeveralEpochsIsComparedWhileItRuns(t *testing.T) {
	large := effort{messages: 4, bytes: 1 << 40, tail: 2}
	for _, stream := range []string{"EVENTS", "EVENTS_1"} {
		w := threeEpochs(t)
		change(t, blocksIn(t, folderOf(w.dir, stream))[0], func(data []byte) []byte { return replaced(data, len(data)/2, data[len(data)/2]^1) })
		err := onceWith(t, w.dir, w.fold, large, func(seq *Sequencer) { <-seq.stopped })
		if err == nil || !strings.Contains(err.Error(), "start again") {
			t.Fatalf("%s: the damage was not noticed: %v", stream, err)
		}
		w.again(t, w.fold)
	}
}

// TestE14NobodyAppendsToASealedEpoch: neither a deposed writer, nor one that
// may do everything.
func TestE14NobodyAppendsToASealedEpoch(t *testing.T) {
	w := threeEpochs(t)
	err := once(t, w.dir, w.fold, func(seq *Sequencer) {
		for _, stream := range []string{"EVENTS", "EVENTS_1"} {
			conn := seq.journal.Load().conn
			answer, err := conn.nc.RequestWithContext(t.Context(), proto.LogSubject(stream, proto.ObjectKey{}), []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			if got := readAck(answer); !errors.Is(got.err, errRefused) {
				t.Errorf("%s took an append: %s", stream, answer.Data)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestE14ATransactionOfAnotherEpochIsNoticed: it continues the chain, but lies
// in a stream that is not its own.
func TestE14ATransactionOfAnotherEpochIsNoticed(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	env := &proto.Envelope{Epoch: 5, Term: 1, Actor: "user:x", Verb: "x", Events: []proto.Event{{Kind: "X", Section: proto.SectionMark}}}
	_ = once(t, dir, fold, func(seq *Sequencer) { // it may notice that somebody else has appended
		env.Seq, env.Prev, env.At = appendTo(t, seq, "a", 10)+1, fold.Position().Hash, fold.Position().At.Add(1)
		line, err := newLine(seq.journal.Load().conn)
		if err != nil {
			t.Fatal(err)
		}
		entry := proto.Entry{Envelope: env, Encoded: proto.Encode(env), Hash: proto.HashOf(proto.Encode(env))}
		if err := line.publish(proto.LogSubject("EVENTS", proto.ObjectKey{}), entry, true); err != nil {
			t.Fatal(err)
		}
		if err := line.wait(t.Context(), env.Seq); err != nil {
			t.Fatal(err)
		}
		if err := fold.Commit([]proto.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
	})
	report, err := VerifyFiles(t.Context(), FilesConfig{StoreDir: filepath.Join(dir, "log"), Stream: proto.StreamEvents, Fold: fold})
	if err != nil || report.Damage == nil || report.Damage.Seq != env.Seq || !strings.Contains(report.Damage.What, "EVENTS_5") {
		t.Errorf("the files: %v %v", err, report.Damage)
	}
	if err := once(t, dir, newTestFold(), func(*Sequencer) { t.Error("it is served") }); err == nil || !strings.Contains(err.Error(), "one of epoch 5") {
		t.Errorf("folded again: %v", err)
	}
}
