package bus

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"segno/proto"
)

// tailsOf are bytes that somebody adds to a file: 1 to 30 of each value.
func tailsOf(do func(tail []byte)) {
	for _, value := range []byte{'X', 0, 1, 0x1f, 0x80, 0xff} {
		for n := 1; n <= 30; n++ {
			do(bytes.Repeat([]byte{value}, n))
		}
	}
}

// TestE13BytesBehindTheLastRecordAreFound: a byte that was added to a file of a
// stopped log is none of it, in an old block as in the newest.
func TestE13BytesBehindTheLastRecordAreFound(t *testing.T) {
	for stream, n := range map[string]int{proto.StreamEvents: 30, proto.StreamNotes: 3, proto.StreamLeases: 3} {
		t.Run(stream, func(t *testing.T) {
			size := 20
			if stream == proto.StreamEvents {
				size = 400_000 // more than one block
			}
			d := stopped(t, stream, newTestFold(), fill(t, n, size))
			if stream == proto.StreamEvents && len(d.files) < 2 {
				t.Fatalf("only %v: nothing is told of old blocks", d.files)
			}
			for i, file := range d.files {
				if i != 0 && i != len(d.files)-1 {
					continue
				}
				last := d.owner[file][len(d.owner[file])-1]
				few := 0
				tailsOf(func(tail []byte) {
					if few++; stream == proto.StreamEvents && few%10 != 1 { // these files are large
						return
					}
					if err := os.WriteFile(file, append(bytes.Clone(d.whole[file]), tail...), 0o600); err != nil {
						t.Fatal(err)
					}
					report := d.verify(t)
					if report.Damage == nil || !report.Damage.Mends || report.Damage.File != file || report.Damage.Offset < int64(len(d.whole[file])) {
						t.Fatalf("%d bytes %#x behind %s: %v", len(tail), tail[0], filepath.Base(file), report.Damage)
					}
					if len(tail) < recordHead && report.Damage.Seq != last {
						t.Fatalf("%d bytes %#x behind transaction %s: %v", len(tail), tail[0], last, report.Damage)
					}
				})
				if err := os.WriteFile(file, d.whole[file], 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestE13UnfinishedRecordIsNamedAndMended: what a stop without warning leaves is
// told as what it is, and so is what was added; the next start takes both away, with
// the fold or without.
func TestE13UnfinishedRecordIsNamedAndMended(t *testing.T) {
	for _, look := range []bool{true, false} {
		for name, c := range map[string]struct {
			tail func(next []byte) []byte
			told string
		}{
			"begun": {func(next []byte) []byte { return next[:len(next)/2] }, "begun and not finished"},
			"added": {func([]byte) []byte { return []byte("X") }, "1 bytes that are no record"},
		} {
			t.Run(fmt.Sprintf("%s, looked at %v", name, look), func(t *testing.T) {
				d := stopped(t, proto.StreamEvents, newTestFold(), fill(t, 6, 20))
				dir, file := filepath.Dir(d.cfg.StoreDir), d.files[0]
				data, last := d.whole[file], d.owner[file][len(d.owner[file])-1]
				head := readHead(data[bytesOf(d, file, last):])
				maker, err := newRecorder(proto.StreamEvents, 1)
				if err != nil {
					t.Fatal(err)
				}
				next := maker.transaction(last+1, head.stored, "log.EVENTS.x", []byte("something"))
				if err := os.WriteFile(file, append(bytes.Clone(data), c.tail(next)...), 0o600); err != nil {
					t.Fatal(err)
				}
				if look {
					if report := d.verify(t); report.Damage == nil || !strings.Contains(report.Damage.Error(), c.told) || !strings.Contains(report.Damage.Error(), "Start the cluster again") {
						t.Fatalf("said was %v", report.Damage)
					}
				}
				fold := d.cfg.Fold.(*testFold)
				if err := once(t, dir, fold, func(seq *Sequencer) {
					appendTo(t, seq, "after", 10)
					if report, err := seq.VerifyFiles(t.Context(), nil); err != nil || report.Damage != nil {
						t.Errorf("started again: %v %v", err, report.Damage)
					}
				}); err != nil {
					t.Fatal(err)
				}
				if report := d.verify(t); report.Damage != nil || report.Records <= int(last) {
					t.Errorf("stopped again: %d records, %v", report.Records, report.Damage)
				}
			})
		}
	}
}

// bytesOf is where the record of a transaction begins.
func bytesOf(d onDisk, file string, seq proto.Seq) int {
	for at, owner := range d.owner[file] {
		if owner == seq {
			return at
		}
	}
	return 0
}

// TestE13BytesBehindARunningLogAreFound: what stays at the end is no write under way.
func TestE13BytesBehindARunningLogAreFound(t *testing.T) {
	dir := t.TempDir()
	if err := once(t, dir, newTestFold(), func(seq *Sequencer) {
		fill(t, 5, 100)(seq)
		change(t, blocks(t, dir)[0], func(data []byte) []byte { return append(data, 'X') })
		report, err := seq.VerifyFiles(t.Context(), nil)
		if err != nil || report.Damage == nil || !strings.Contains(report.Damage.Error(), "1 bytes that are no record") {
			t.Errorf("a byte behind a running log: %v %v", err, report.Damage)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestE13BytesBehindTheAuditAreFound as behind any log.
func TestE13BytesBehindTheAuditAreFound(t *testing.T) {
	cfg, file, whole := auditFiles(t)
	tailsOf(func(tail []byte) {
		if err := os.WriteFile(file, append(bytes.Clone(whole), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		if proof, err := VerifyAuditFiles(t.Context(), cfg); err != nil || !strings.Contains(proof.Problem, file) {
			t.Fatalf("%d bytes %#x behind the audit: %+v, %v", len(tail), tail[0], proof, err)
		}
	})
	if err := os.WriteFile(file, append(bytes.Clone(whole), 'X'), 0o600); err != nil {
		t.Fatal(err)
	}
	server, end := serverUntil(t, cfg.StoreDir)
	a, stop := auditing(t, AuditConfig{Server: server, Anchor: cfg.Anchor})
	a.Record(asked("after"))
	if proof := proved(t, a); proof.Problem != "" || proof.Messages != 21 {
		t.Errorf("started with a byte behind: %+v", proof)
	}
	stop()
	end()
	if proof, err := VerifyAuditFiles(t.Context(), cfg); err != nil || proof.Problem != "" || proof.Records != 21 {
		t.Errorf("stopped again: %+v, %v", proof, err)
	}
}

// TestE13DamageOfTheAuditFromBeforeTheStartIsPlaced: the server does not read what is
// damaged, and the proof says in which file it lies all the same.
func TestE13DamageOfTheAuditFromBeforeTheStartIsPlaced(t *testing.T) {
	dir := t.TempDir()
	anchor := filepath.Join(dir, "anchor")
	file := auditedTo(t, filepath.Join(dir, "log"), anchor)
	change(t, file, func(data []byte) []byte { return replaced(data, 5000, data[5000]^1) })
	server, end := serverUntil(t, filepath.Join(dir, "log"))
	defer end()
	a, stop := auditing(t, AuditConfig{Server: server, Anchor: anchor})
	defer stop()
	proof := proved(t, a)
	if !strings.Contains(proof.Problem, ".blk at byte ") || strings.Contains(proof.Problem, "<nil>") || strings.Count(proof.Problem, "audit message") != 1 {
		t.Errorf("proved %+v", proof)
	}
}
