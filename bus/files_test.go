package bus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"segno/proto"
)

// onDisk is a log that has stopped, and which transaction each byte of its
// blocks belongs to.
type onDisk struct {
	cfg   FilesConfig
	files []string
	whole map[string][]byte
	owner map[string][]proto.Seq
}

// stopped writes a log with use and stops it.
func stopped(t *testing.T, stream string, fold *testFold, use func(*Sequencer)) onDisk {
	t.Helper()
	dir := t.TempDir()
	if err := onceOn(t, stream, dir, fold, usualEffort, use); err != nil {
		t.Fatal(err)
	}
	d := onDisk{
		cfg:   FilesConfig{StoreDir: filepath.Join(dir, "log"), Stream: stream, Fold: fold, Anchor: filepath.Join(dir, "anchor")},
		files: blocksIn(t, folderOf(dir, stream)), whole: map[string][]byte{}, owner: map[string][]proto.Seq{},
	}
	for _, file := range d.files {
		d.learn(t, file)
	}
	if report := d.verify(t); report.Damage != nil || report.Records == 0 {
		t.Fatalf("a whole log: %d records, %v", report.Records, report.Damage)
	}
	return d
}

// learn notes what a file is, and whose its bytes are.
func (d onDisk) learn(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d.whole[file] = data
	for at := 0; at < len(data); {
		h := readHead(data[at:])
		owner := proto.Seq(h.seq)
		if h.gone {
			owner = 0 // any
		}
		for range h.length {
			d.owner[file] = append(d.owner[file], owner)
		}
		at += h.length
	}
}

func (d onDisk) verify(t *testing.T) FilesReport {
	t.Helper()
	report, err := VerifyFiles(t.Context(), d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// flip changes one byte on disk, looks, and puts it back.
func (d onDisk) flip(t *testing.T, file string, at int, by byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was := d.whole[file][at]
	if _, err := f.WriteAt([]byte{was ^ by}, int64(at)); err != nil {
		t.Fatal(err)
	}
	report, want := d.verify(t), d.owner[file][at]
	if report.Damage == nil {
		t.Fatalf("byte %d of %s, of transaction %s, was changed by %#x: nothing was noticed", at, filepath.Base(file), want, by)
	}
	if want != 0 && report.Damage.Seq != want {
		t.Fatalf("byte %d of %s, of transaction %s, was changed by %#x: %v", at, filepath.Base(file), want, by, report.Damage)
	}
	if _, err := f.WriteAt([]byte{was}, int64(at)); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, n, size int) func(*Sequencer) {
	return func(seq *Sequencer) {
		for i := range n {
			appendTo(t, seq, fmt.Sprintf("cm-%d", i), size)
		}
	}
}

// TestE13EveryByteOfTheLogIsProved changes each byte of a log by one bit, by
// all, and by another.
func TestE13EveryByteOfTheLogIsProved(t *testing.T) {
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		t.Run(stream, func(t *testing.T) {
			d := stopped(t, stream, newTestFold(), fill(t, 5, 20))
			for _, file := range d.files {
				for at := range d.whole[file] {
					for _, by := range []byte{1 << (at % 8), 0xff, byte(1 + at%255)} {
						d.flip(t, file, at, by)
					}
				}
			}
		})
	}
}

// TestE13BytesOfALargeLogAreProved takes a thousand at random.
func TestE13BytesOfALargeLogAreProved(t *testing.T) {
	d := stopped(t, proto.StreamEvents, newTestFold(), fill(t, 300, 3000))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		file := d.files[random.IntN(len(d.files))]
		d.flip(t, file, random.IntN(len(d.whole[file])), byte(1+random.IntN(255)))
	}
}

// TestE13LogWithoutAFoldIsProvedByItsChain: the fold was deleted. All but the
// last transaction are held by the one behind, and the last by the anchor.
func TestE13LogWithoutAFoldIsProvedByItsChain(t *testing.T) {
	d := stopped(t, proto.StreamEvents, newTestFold(), fill(t, 3, 20))
	d.cfg.Fold = newTestFold()
	for _, file := range d.files {
		for at := range d.whole[file] {
			f := d.whole[file][at]
			if err := os.WriteFile(file, replaced(d.whole[file], at, f^1), 0o600); err != nil {
				t.Fatal(err)
			}
			report := d.verify(t)
			if report.Damage == nil || report.Damage.Mends || report.Damage.Seq > d.owner[file][at]+1 {
				t.Fatalf("byte %d of transaction %s: %v", at, d.owner[file][at], report.Damage)
			}
		}
	}
}

func replaced(data []byte, at int, by byte) []byte {
	out := bytes.Clone(data)
	out[at] = by
	return out
}

// TestE13MoreThanAByteIsProved: what is cut off, put in, taken out or swapped.
func TestE13MoreThanAByteIsProved(t *testing.T) {
	d := stopped(t, proto.StreamEvents, newTestFold(), fill(t, 6, 20))
	file := d.files[0]
	data := d.whole[file]
	ends := []int{0}
	for at := range data {
		if at > 0 && d.owner[file][at] != d.owner[file][at-1] {
			ends = append(ends, at)
		}
	}
	ends = append(ends, len(data))
	part := func(n int) []byte { return data[ends[n-1]:ends[n]] }
	for name, c := range map[string]struct {
		data []byte
		seq  proto.Seq
	}{
		"cut by a byte":      {data[:len(data)-1], 7},
		"last one missing":   {data[:ends[6]], 7},
		"first one missing":  {data[ends[1]:], 1},
		"third one missing":  {bytes.Join([][]byte{data[:ends[2]], data[ends[3]:]}, nil), 3},
		"swapped":            {bytes.Join([][]byte{part(1), part(3), part(2), data[ends[3]:]}, nil), 2},
		"twice":              {bytes.Join([][]byte{data[:ends[3]], part(3), data[ends[3]:]}, nil), 4},
		"empty":              {nil, 1},
		"zeroes in between":  {bytes.Join([][]byte{data[:ends[3]], make([]byte, 64), data[ends[3]:]}, nil), 4},
		"zeroes behind":      {bytes.Join([][]byte{data, make([]byte, 64)}, nil), 8},
		"another one behind": {bytes.Join([][]byte{data, part(7)}, nil), 8},
	} {
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if report := d.verify(t); report.Damage == nil || report.Damage.Seq != c.seq {
			t.Errorf("%s: %v, want transaction %s", name, report.Damage, c.seq)
		}
	}
}

// TestE13FilesOfARunningLogAreProved while others write, and a start mends
// what was found: also what the server does not look at.
func TestE13FilesOfARunningLogAreProved(t *testing.T) {
	dir, fold := t.TempDir(), newTestFold()
	err := once(t, dir, fold, func(seq *Sequencer) {
		fill(t, 20, 1000)(seq)
		var writers errgroup.Group
		for w := range 4 {
			writers.Go(func() error {
				for i := range 100 {
					if _, err := seq.Submit(t.Context(), createConfigMap(fmt.Sprintf("w%d-%d", w, i))); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for range 50 {
			if report, err := seq.VerifyFiles(t.Context(), nil); err != nil || report.Damage != nil {
				t.Fatalf("while others write: %v %v", err, report.Damage)
			}
		}
		if err := writers.Wait(); err != nil {
			t.Fatal(err)
		}
		change(t, blocks(t, dir)[0], func(data []byte) []byte { return replaced(data, 17, data[17]^8) })
		report, err := seq.VerifyFiles(t.Context(), nil)
		if err != nil || report.Damage == nil || report.Damage.Seq != 1 || !strings.Contains(report.Damage.Error(), "LeaderElected") {
			t.Fatalf("a byte of the first record: %v %v", err, report.Damage)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start finds nothing any more
		err := once(t, dir, fold, func(seq *Sequencer) {
			if report, err := seq.VerifyFiles(t.Context(), nil); err != nil || report.Damage != nil {
				t.Errorf("started again: %v %v", err, report.Damage)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "log", "damaged-EVENTS-at-1-*")); err != nil || len(kept) != 1 {
		t.Errorf("kept aside: %v %v", kept, err)
	}
}

// TestE13LogsWhoseBeginningRanOutAreProved: leases whose first transactions the
// fold has dropped, and some of them the stream.
func TestE13LogsWhoseBeginningRanOutAreProved(t *testing.T) {
	fold := newTestFold()
	d := stopped(t, proto.StreamLeases, fold, fill(t, 9, 100))
	for seq := range proto.Seq(5) {
		delete(fold.encoded, seq+1)
	}
	for _, gone := range []int{0, 3} {
		file := d.files[0]
		data := d.whole[file]
		for range gone {
			data = data[readHead(data).length:]
		}
		blocks, err := blocksOf(filepath.Dir(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		maker, err := newRecorder(proto.StreamLeases, blocks[0].number)
		if err != nil {
			t.Fatal(err)
		}
		stone := maker.tombstone(uint64(gone), 7)
		d.owner[file] = append(make([]proto.Seq, len(stone)), d.owner[file][len(d.whole[file])-len(data):]...)
		d.whole[file] = append(bytes.Clone(stone), data...)
		if err := os.WriteFile(file, d.whole[file], 0o600); err != nil {
			t.Fatal(err)
		}
		for at := range d.whole[file] {
			d.flip(t, file, at, 16)
		}
	}
}
