package archive

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"segno/projections"
	"segno/proto"
)

type frame struct {
	what byte
	body []byte
}

// framesOf takes a file apart, but for its last frame.
func framesOf(t testing.TB, data []byte) (out []frame) {
	t.Helper()
	in, err := newFramed(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	for {
		what, body, err := in.read()
		if err != nil {
			t.Fatal(err)
		}
		if what == frameEnd {
			return out
		}
		out = append(out, frame{what, body})
	}
}

// packed puts a file together, with a checksum that holds.
func packed(t testing.TB, all []frame) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := newFrames(&out, mark)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if err := w.write(f.what, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestE14AForgedFileHarmsNobody changes what lies in a file and lets its checksum
// hold: whoever opens it gets an error or an archive, and nothing else.
func TestE14AForgedFileHarmsNobody(t *testing.T) {
	whole := history(t, 8, 30)
	rng := rand.New(rand.NewPCG(9, 10))
	for _, secrets := range []bool{true, false} {
		frames := framesOf(t, written(t, Config{Secrets: secrets, Spans: []Span{{proto.StreamEvents, whole, 12, 30}}}))
		for range 150 {
			forged := append([]frame(nil), frames...)
			at := rng.IntN(len(forged))
			body := bytes.Clone(forged[at].body)
			for range 1 + rng.IntN(3) {
				switch i := rng.IntN(len(body)); rng.IntN(4) {
				case 0:
					body[i] ^= 1 << rng.IntN(8)
				case 1:
					body[i] = byte(rng.IntN(256))
				case 2:
					body = append(body[:i:i], body[i+1:]...)
				default:
					body = append(body[:i:i], append([]byte{byte(rng.IntN(256))}, body[i:]...)...)
				}
				if len(body) == 0 {
					break
				}
			}
			forged[at].body = body
			if a, err := read(t, packed(t, forged)); err == nil {
				_, _ = a.Logs[proto.StreamEvents].Verify(t.Context(), nil)
				_ = a.Close()
			}
		}
	}
}

// TestE14ALyingFileIsRefused: what a file says of itself is checked before it is
// believed.
func TestE14ALyingFileIsRefused(t *testing.T) {
	frames := framesOf(t, written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, history(t, 6, 12), 5, 12}}}))
	replaced := func(what byte, old, with string) []byte {
		t.Helper()
		forged, found := append([]frame(nil), frames...), false
		for i := range forged {
			if forged[i].what == what && strings.Contains(string(forged[i].body), old) {
				forged[i].body, found = []byte(strings.Replace(string(forged[i].body), old, with, 1)), true
			}
		}
		if !found {
			t.Fatalf("no frame %q has %s", what, old)
		}
		return packed(t, forged)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"a log that would lie elsewhere":  replaced(frameLog, `"EVENTS"`, `"../OUT"`),
		"another log in the place of one": replaced(frameLog, `"EVENTS"`, `"NOTES"`),
		"the end of time":                 replaced(frameLog, `"last":12`, `"last":18446744073709551615`),
		"more than there is":              replaced(frameLog, `"last":12`, `"last":13`),
		"another beginning":               replaced(frameLog, `"seq":4`, `"seq":3`),
		"a header of a megabyte":          replaced(frameHeader, `"test"`, `"`+strings.Repeat("x", maxHeader)+`"`),
		"no log":                          packed(t, frames[:1]),
		"two of one":                      packed(t, append(append([]frame(nil), frames...), frames[1:]...)),
		"no header":                       packed(t, frames[1:]),
		"objects without a log":           packed(t, append([]frame{frames[0]}, frames[2:]...)),
	} {
		a, err := Open(t.Context(), bytes.NewReader(data), OpenConfig{Table: table, Dir: filepath.Join(dir, "in")})
		if err == nil {
			_ = a.Close()
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "in")); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("written outside of its folder: %v, %v", left, err)
	}
	if _, err := read(t, []byte("segno archive 9\nwhatever")); err == nil || !strings.Contains(err.Error(), `it has format "9"`) {
		t.Errorf("a file of a later version: %v", err)
	}
}

// TestE14ARingOfCausesIsRefused: a transaction comes of an earlier one, or of none.
func TestE14ARingOfCausesIsRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for cause, refused := range map[proto.Seq]bool{0: false, 1: false, 2: true, 3: true} {
		p := opened(t, projections.Config{Table: table})
		var prev proto.Hash
		for seq := proto.Seq(1); seq <= 2; seq++ {
			env := &proto.Envelope{Seq: seq, Term: 1, At: birth, Actor: "system:a", Verb: "update", Prev: prev, Events: []proto.Event{something(t, rng)}}
			if seq == 2 {
				env.Cause.Seq = cause
			}
			encoded := proto.Encode(env)
			prev = proto.HashOf(encoded)
			if err := p.Commit([]proto.Entry{{Envelope: env, Encoded: encoded, Hash: prev}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		a, err := read(t, written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, p, 1, 2}}}))
		if err == nil {
			_ = a.Close()
		}
		if refused != errors.Is(err, ErrDamaged) || !refused && err != nil {
			t.Errorf("2 came of %s: %v", cause, err)
		}
	}
}

// TestE14ABombIsDefused: a small file that unpacks to very much is given up.
func TestE14ABombIsDefused(t *testing.T) {
	frames := framesOf(t, written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, history(t, 6, 3), 2, 3}}}))
	nothing := make([]byte, maxFrame-1)
	read, write := io.Pipe()
	go func() {
		w, err := newFrames(write, mark)
		for _, f := range frames[:2] {
			err = errors.Join(err, w.write(f.what, f.body))
		}
		for i := 0; err == nil && i < 1000; i++ {
			err = w.write('?', nothing)
		}
		_ = write.CloseWithError(err)
	}()
	in, err := newFramed(read)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	defer read.Close()
	for err == nil {
		_, _, err = in.read()
	}
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("it ended with: %v", err)
	}
}

// FuzzOpen opens whatever comes.
func FuzzOpen(f *testing.F) {
	p, err := projections.Open(projections.Config{Table: table})
	if err != nil {
		f.Fatal(err)
	}
	defer p.Close()
	var out bytes.Buffer
	if err := Write(f.Context(), &out, Config{Table: table, Spans: []Span{{proto.StreamEvents, p, 1, 0}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	for _, frame := range framesOf(f, out.Bytes()) {
		f.Add(append([]byte{frame.what}, frame.body...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, packed(t, asFrames(data))} {
			if a, err := read(t, file); err == nil {
				_ = a.Close()
			}
		}
	})
}

// asFrames takes arbitrary bytes for frames, a line each.
func asFrames(data []byte) (out []frame) {
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		if len(line) > 0 {
			out = append(out, frame{line[0], line[1:]})
		}
	}
	return out
}
