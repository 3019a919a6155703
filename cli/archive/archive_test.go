package archive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

var (
	table = kinds.Table()
	birth = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// password is what must never leave the cluster unasked.
const password = "correct horse battery staple"

// history folds a random history of that many transactions.
func history(t *testing.T, seed uint64, n int) *projections.Projection {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 10))
	p := opened(t, projections.Config{Table: table, Retained: true})
	var prev proto.Hash
	for seq := proto.Seq(1); seq <= proto.Seq(n); seq++ {
		env := &proto.Envelope{
			Seq: seq, Term: 1, At: birth.Add(time.Duration(seq) * time.Second), Actor: "user:ada", Verb: "update", Prev: prev,
			Cause: proto.Cause{Request: "r"}, Correlation: "r", Events: []proto.Event{something(t, rng)},
		}
		encoded := proto.Encode(env)
		entry := proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}
		prev = entry.Hash
		if err := p.Commit([]proto.Entry{entry}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func opened(t *testing.T, cfg projections.Config) *projections.Projection {
	t.Helper()
	p, err := projections.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// something happens to one of a few objects.
func something(t *testing.T, rng *rand.Rand) proto.Event {
	t.Helper()
	name := fmt.Sprintf("o%d", rng.IntN(6))
	meta := metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}
	var obj events.Object = &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"n": fmt.Sprint(rng.IntN(1000))}}
	kind := table.Of(proto.Resource{Name: "configmaps"})
	if rng.IntN(3) == 0 {
		kind = table.Of(proto.Resource{Name: "secrets"})
		meta.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"stringData":{"p":"` + password + `"}}`}
		obj = &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"p": []byte(password)}}
	}
	ev := proto.Event{Kind: "Changed", Key: kind.KeyOf(obj), UID: name, Section: proto.SectionSpec, Encoding: proto.EncodingProtobuf}
	if rng.IntN(5) == 0 {
		ev.Section, ev.Encoding = proto.SectionGone, proto.EncodingNone
		return ev
	}
	sections, err := kind.Encode(obj)
	if err != nil {
		t.Fatal(err)
	}
	ev.Body = sections.Spec
	return ev
}

func written(t *testing.T, cfg Config) []byte {
	t.Helper()
	var out bytes.Buffer
	cfg.Table, cfg.Cluster, cfg.Made = table, "test", birth
	if err := Write(t.Context(), &out, cfg); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read opens a file, and proves it: both say the same.
func read(t testing.TB, data []byte) (*Archive, error) {
	t.Helper()
	a, err := Open(t.Context(), bytes.NewReader(data), OpenConfig{Table: table})
	proof, failed := Prove(t.Context(), bytes.NewReader(data), nil)
	if (err == nil) != (failed == nil) {
		t.Fatalf("opened: %v, proved: %v", err, failed)
	}
	if err != nil {
		return nil, err
	}
	fold := a.Logs[proto.StreamEvents]
	if proof.State != fold.StateHash() || proof.Last != max(fold.Position().Seq, proof.Start) || proof.Differs != a.Differs {
		t.Fatalf("proved: %+v; opened it ends at %s with %s, and differs at %s", proof, fold.Position().Seq, fold.StateHash(), a.Differs)
	}
	return a, nil
}

func mustRead(t *testing.T, data []byte) *Archive {
	t.Helper()
	a, err := read(t, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// TestE9AnySpanGivesTheRecordedStates takes random spans: what they give is what
// the log had after every transaction.
func TestE9AnySpanGivesTheRecordedStates(t *testing.T) {
	const n = 60
	whole := history(t, 1, n)
	rng := rand.New(rand.NewPCG(2, 10))
	for range 20 {
		from := 1 + proto.Seq(rng.IntN(n))
		to := from + proto.Seq(rng.IntN(n-int(from)+1))
		a := mustRead(t, written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, whole, from, to}}}))
		fold := a.Logs[proto.StreamEvents]
		if a.Differs != 0 {
			t.Fatalf("%s to %s: the state after %s differs", from, to, a.Differs)
		}
		for seq := from - 1; seq <= to; seq++ {
			got, err := fold.StateHashAt(seq)
			want, wantErr := whole.StateHashAt(seq)
			if err != nil || wantErr != nil || got != want {
				t.Fatalf("%s to %s: state hash at %s is %s, was %s: %v %v", from, to, seq, got.Short(), want.Short(), err, wantErr)
			}
		}
		if _, err := fold.At(to + 1); !errors.Is(err, projections.ErrFuture) {
			t.Fatalf("%s to %s: it goes on: %v", from, to, err)
		}
	}
}

func TestE13ARedactedFileHoldsNoSecret(t *testing.T) {
	whole := history(t, 3, 60)
	a := mustRead(t, written(t, Config{Spans: []Span{{proto.StreamEvents, whole, 20, 60}}}))
	if !a.Header.Redacted {
		t.Error("the file does not say that it is redacted")
	}
	fold, seen := a.Logs[proto.StreamEvents], 0
	look := func(body []byte) {
		if bytes.Contains(body, []byte(password)) {
			t.Error("a secret value is in the file")
		}
		if bytes.Contains(body, []byte("redacted")) {
			seen++
		}
	}
	for rec, err := range fold.Records(t.Context(), 19) {
		if err != nil {
			t.Fatal(err)
		}
		look(rec.Spec)
	}
	for e, err := range fold.Entries(t.Context(), 20, 60) {
		if err != nil {
			t.Fatal(err)
		}
		look(e.Encoded)
	}
	if seen == 0 {
		t.Error("no secret was in the history: the test shows nothing")
	}
}

func TestE14ALogWhoseBeginningWasDropped(t *testing.T) {
	notes := history(t, 4, 80)
	if err := notes.DropBefore(30); err != nil {
		t.Fatal(err)
	}
	a := mustRead(t, written(t, Config{Secrets: true, Spans: []Span{
		{proto.StreamEvents, history(t, 5, 10), 1, 10}, {proto.StreamNotes, notes, 30, 80}, {proto.StreamLeases, notes, 81, 80},
	}}))
	for _, stream := range []string{proto.StreamNotes, proto.StreamLeases} {
		if got := a.Logs[stream]; got.StateHash() != notes.StateHash() || got.Position() != notes.Position() {
			t.Errorf("%s is at %s with state %s", stream, got.Position().Seq, got.StateHash().Short())
		}
	}
}

// TestE14ADamagedFileIsRefused cuts a file short at every byte, and changes every
// byte.
func TestE14ADamagedFileIsRefused(t *testing.T) {
	data := written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, history(t, 6, 12), 5, 12}}})
	mustRead(t, data)
	if held, err := Check(t.Context(), bytes.NewReader(data)); err != nil || held.Logs[0].Sum.Transactions != 8 || held.Header.From != 5 {
		t.Fatalf("checked without folding: %+v, %v", held, err)
	}
	refused := func(what string, data []byte) {
		t.Helper()
		if _, err := Check(t.Context(), bytes.NewReader(data)); err == nil {
			t.Fatalf("%s: the file passed the check", what)
		}
		a, err := read(t, data)
		if err == nil {
			_ = a.Close()
			t.Fatalf("%s: the file was taken", what)
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotArchive) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range data {
		refused(fmt.Sprintf("cut at %d", i), data[:i])
		changed := bytes.Clone(data)
		changed[i] ^= 0x41
		refused(fmt.Sprintf("byte %d changed", i), changed)
	}
	refused("something behind it", append(bytes.Clone(data), 'x'))
}

// TestE14AFileThatLiesIsRefused changes what a file says and makes its checksum
// right again.
func TestE14AFileThatLiesIsRefused(t *testing.T) {
	whole := history(t, 7, 12)
	for name, spoil := range map[string]func(f *frames, what byte, body []byte) error{
		"another body": func(f *frames, what byte, body []byte) error {
			return f.write(what, body[:len(body)-1], []byte{body[len(body)-1] ^ 1})
		},
		"a transaction twice": func(f *frames, what byte, body []byte) error {
			return errors.Join(f.write(what, body), f.write(what, body))
		},
		"a transaction too few": func(*frames, byte, []byte) error { return nil },
		"no transaction":        func(f *frames, what byte, _ []byte) error { return f.write(what, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			data := written(t, Config{Secrets: true, Spans: []Span{{proto.StreamEvents, whole, 5, 12}}})
			n := 0
			data = rewritten(t, data, func(f *frames, what byte, body []byte) error {
				n++
				if what == frameTransaction && n%3 == 1 {
					return spoil(f, what, body)
				}
				return f.write(what, body)
			})
			if a, err := read(t, data); !errors.Is(err, ErrDamaged) {
				t.Errorf("it was read: %v", err)
				_ = a.Close()
			}
		})
	}
}

// rewritten is a file whose frames were written anew, each by the function, with
// a checksum that is right again.
func rewritten(t *testing.T, data []byte, each func(f *frames, what byte, body []byte) error) []byte {
	t.Helper()
	in, err := newFramed(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	var out bytes.Buffer
	f, err := newFrames(&out, mark)
	if err != nil {
		t.Fatal(err)
	}
	for {
		what, body, err := in.read()
		if err != nil {
			t.Fatal(err)
		}
		if what == frameEnd {
			break
		}
		if err := each(f, what, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
