package archives

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/cli/archive"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

var table = kinds.Table()

// log folds so many transactions.
func log(t *testing.T, n int) *projections.Projection {
	t.Helper()
	p, err := projections.Open(projections.Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	kind := table.Of(proto.Resource{Name: "configmaps"})
	var prev proto.Hash
	for seq := proto.Seq(1); seq <= proto.Seq(n); seq++ {
		name := fmt.Sprint("o", seq%5)
		obj := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Data: map[string]string{"n": seq.String()}}
		sections, err := kind.Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		env := &proto.Envelope{
			Seq: seq, At: time.Unix(int64(seq), 0), Actor: "user:ada", Verb: "update", Prev: prev,
			Events: []proto.Event{{Kind: "Changed", Key: kind.KeyOf(obj), UID: name, Section: proto.SectionSpec, Encoding: proto.EncodingProtobuf, Body: sections.Spec}},
		}
		encoded := proto.Encode(env)
		prev = proto.HashOf(encoded)
		if err := p.Commit([]proto.Entry{{Envelope: env, Encoded: encoded, Hash: prev}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func keep(t *testing.T, f Folder, p *projections.Projection, from, to proto.Seq) string {
	t.Helper()
	file, err := f.Keep(t.Context(), archive.Config{Table: table, Secrets: true, Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: p, From: from, To: to}}})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(f.Dir, file.Name)
}

// TestE14AFolderOfEpochsIsTheLog: read in order, whole, or said which file is
// missing.
func TestE14AFolderOfEpochsIsTheLog(t *testing.T) {
	p, f := log(t, 60), Folder{Dir: filepath.Join(t.TempDir(), "archive")}
	read := func(from, to proto.Seq) error {
		next := from
		err := f.Read(t.Context(), from, to, func(seq proto.Seq, encoded []byte) error {
			want, err := p.Encoded(next)
			if err != nil || seq != next || string(want) != string(encoded) {
				t.Errorf("%s came in the place of %s: %v", seq, next, err)
			}
			next++
			return nil
		})
		if err == nil && next != to+1 {
			t.Errorf("of %s to %s it ended before %s", from, to, next)
		}
		return err
	}
	if err := read(1, 5); err == nil {
		t.Error("an empty folder was read")
	}
	keep(t, f, p, 1, 20)
	middle := keep(t, f, p, 21, 40)
	keep(t, f, p, 41, 60)
	if err := os.WriteFile(filepath.Join(f.Dir, "incident.segno"), []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, span := range [][2]proto.Seq{{1, 60}, {1, 20}, {15, 45}, {21, 21}} {
		if err := read(span[0], span[1]); err != nil {
			t.Errorf("%v: %v", span, err)
		}
	}
	if err := os.Remove(middle); err != nil {
		t.Fatal(err)
	}
	if err := read(1, 60); err == nil || !strings.Contains(err.Error(), "transactions 21 to 60 were archived, and their file is not in "+f.Dir+": put the one back whose name begins with EVENTS-00000000000000000021-") {
		t.Errorf("without a file: %v", err)
	}
	if err := read(41, 60); err != nil {
		t.Errorf("behind it: %v", err)
	}
}

// TestE14AFileOfBeforeIsTakenOnlyWhenItIsWhole: a crash may have left it.
func TestE14AFileOfBeforeIsTakenOnlyWhenItIsWhole(t *testing.T) {
	p, f := log(t, 30), Folder{Dir: t.TempDir()}
	path := keep(t, f, p, 1, 30)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, f, p, 1, 30)
	if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) {
		t.Errorf("a whole file was written again: %v", err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	keep(t, f, p, 1, 30)
	if err := f.Read(t.Context(), 1, 30, func(proto.Seq, []byte) error { return nil }); err != nil {
		t.Errorf("a damaged file was taken: %v", err)
	}
	other := log(t, 31)
	cfg := archive.Config{Table: table, Secrets: true, Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: other, From: 2, To: 31}}}
	if err := os.Rename(keep(t, f, other, 2, 31), path); err != nil {
		t.Fatal(err)
	}
	cfg.Spans[0].From, cfg.Spans[0].To = 1, 30
	if _, err := f.Keep(t.Context(), cfg); !errors.Is(err, errOther) {
		t.Errorf("a file of another history: %v", err)
	}
	if left, err := os.ReadDir(f.Dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
