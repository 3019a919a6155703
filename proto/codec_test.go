package proto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vmihailenco/msgpack/v5"
)

// An empty body and none are the same on the wire.
var sameOnWire = cmpopts.EquateEmpty()

// FuzzDecode feeds anything at all: Decode never panics, says what is
// malformed, and what it takes survives another round.
func FuzzDecode(f *testing.F) {
	for _, e := range goldenCases() {
		data := Encode(e)
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(append(bytes.Clone(data), 0))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%v does not wrap ErrMalformed", err)
			}
			return
		}
		again, err := Decode(Encode(e))
		if err != nil {
			t.Fatalf("what was decoded cannot be decoded again: %v", err)
		}
		if diff := cmp.Diff(e, again, sameOnWire); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzEncode feeds any envelope: decoding gives it back.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(1), uint32(0), uint64(1), int64(1_700_000_000_000_000_000), "user:admin", "create", "r", "PodCreated", "pods", "default", "web", byte(1), byte(1), []byte{1})
	f.Add(uint64(1<<64-1), uint32(7), uint64(1<<63+1), int64(1), "", "", "", "", "", "", "", byte(0), byte(0), []byte(nil))
	f.Add(uint64(1)<<63, uint32(1<<32-1), uint64(1)<<63, int64(-1), "", "", "", "", "", "", "", byte(255), byte(255), []byte(nil))
	f.Fuzz(func(t *testing.T, seq uint64, epoch uint32, term uint64, at int64, actor, verb, request, kind, resource, ns, name string, section, encoding byte, body []byte) {
		key := Resource{Group: verb, Name: resource}.Key(ns, name)
		e := &Envelope{
			Seq: Seq(seq), Epoch: epoch, Term: term, At: time.Unix(0, max(at, 0)).UTC(),
			Actor: Actor(actor), Verb: verb, Cause: Cause{Seq: Seq(term), Request: request}, Correlation: request, Via: name, Prev: HashOf(body),
			Events: []Event{
				{Kind: kind, Reason: verb, Key: key, UID: request, Section: Section(section), Encoding: Encoding(encoding), KeyID: name, Body: body},
				{Kind: kind, Key: key, Section: SectionGone},
			},
		}
		if e.At.Year() > 2261 {
			e.At = time.Unix(0, 0).UTC()
		}
		encoded := Encode(e)
		if !bytes.Equal(encoded, Encode(e)) {
			t.Fatal("the same envelope gave different bytes")
		}
		got, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		e.Seq, e.Term, e.Cause.Seq = min(e.Seq, maxCount), min(e.Term, maxCount), min(e.Cause.Seq, maxCount)
		if diff := cmp.Diff(e, got, sameOnWire); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTimeOutsideTheCodecsRangeIsReadable(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		e, err := Decode(Encode(&Envelope{Seq: 1, At: at}))
		if err != nil {
			t.Fatalf("%v: %v", at, err)
		}
		if e.At.UnixNano() != 0 {
			t.Errorf("%v became %v", at, e.At)
		}
	}
}

// hostile are bytes whose lengths promise more than there is.
func hostile() map[string][]byte {
	good := Encode(goldenCases()["create"])
	long := func(code byte) []byte { return binary.BigEndian.AppendUint32([]byte{code}, 0xffff_ffff) }
	upTo := func(n int) []byte { // the first n fields of an envelope
		var buf bytes.Buffer
		enc := msgpack.NewEncoder(&buf)
		_ = enc.EncodeArrayLen(envelopeFields)
		for i := range n {
			switch i {
			case 0:
				_ = enc.EncodeUint(Version)
			case 5, 6, 8, 9, 10:
				_ = enc.EncodeString("x")
			case 11:
				_ = enc.EncodeBytes(make([]byte, 32))
			default:
				_ = enc.EncodeUint(1)
			}
		}
		return buf.Bytes()
	}
	return map[string][]byte{
		"nothing":                     {},
		"an array of 4 G fields":      long(0xdd),
		"a map":                       {0x81, 0x01, 0x01},
		"a number":                    {0x01},
		"an actor of 4 GiB":           append(upTo(5), long(0xdb)...),
		"a previous hash of 4 GiB":    append(upTo(11), long(0xc6)...),
		"a previous hash of 31 bytes": append(append(upTo(11), 0xc4, 31), make([]byte, 31)...),
		"4 G events":                  append(upTo(12), long(0xdd)...),
		"100,000 events and none":     append(upTo(12), binary.BigEndian.AppendUint32([]byte{0xdd}, 100_000)...),
		"a map for the events":        append(upTo(12), 0x80),
		"nil for the events":          append(upTo(12), 0xc0),
		"negative sequence":           append(upTo(1), 0xff),
		"a time beyond 2262":          append(upTo(4), 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"something after the end":     append(bytes.Clone(good), 0xc0),
		"version 2":                   append([]byte{0x90 | envelopeFields, 2}, good[2:]...),
		"version 0":                   append([]byte{0x90 | envelopeFields, 0}, good[2:]...),
		"cut in the middle":           good[:len(good)/2],
	}
}

func TestHostileLengthsAreRefusedCheaply(t *testing.T) {
	for name, data := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode(data)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			if grew := after.TotalAlloc - before.TotalAlloc; grew > 1<<20 {
				t.Errorf("%d bytes of input made Decode allocate %d", len(data), grew)
			}
		})
	}
}

func TestErrorsNameTheField(t *testing.T) {
	for name, want := range map[string]string{
		"an actor of 4 GiB":        "actor: says 4294967295 bytes, 0 are left",
		"4 G events":               "events: has 4294967295 elements",
		"negative sequence":        "seq: is",
		"a time beyond 2262":       "at: is",
		"something after the end":  "1 bytes after its end",
		"version 2":                "version 2 was written by a newer segno; this one reads up to 1",
		"version 0":                "version 0 is not known",
		"an array of 4 G fields":   "envelope: has 4294967295 elements",
		"a previous hash of 4 GiB": "prev: says",
	} {
		if _, err := Decode(hostile()[name]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", name, err, want)
		}
	}
}

func TestBodiesAliasTheInputAndCannotGrowIntoIt(t *testing.T) {
	data := Encode(goldenCases()["create"])
	e, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	body := e.Events[0].Body
	if at := bytes.Index(data, body); at < 0 || &data[at] != &body[0] {
		t.Error("the body was copied")
	}
	before := bytes.Clone(data)
	_ = append(body, 0xee)
	if !bytes.Equal(before, data) {
		t.Error("appending to a body wrote into what lies behind it")
	}
}

// TestE4UpcasterChain reads an envelope of a made-up version 0, which had no
// field "via", and then versions 0 and 1 by a codec two versions ahead.
func TestE4UpcasterChain(t *testing.T) {
	want := goldenCases()["create"]
	version0 := rewrite(t, Encode(want), func(fields []msgpack.RawMessage) []msgpack.RawMessage {
		fields[0] = msgpack.RawMessage{0}
		return append(fields[:10:10], fields[11:]...)
	})
	addVia := func(data []byte) ([]byte, error) {
		return rewrite(t, data, func(fields []msgpack.RawMessage) []msgpack.RawMessage {
			fields[0] = msgpack.RawMessage{1}
			via, _ := msgpack.Marshal(want.Via)
			return append(fields[:10:10], append([]msgpack.RawMessage{via}, fields[10:]...)...)
		}), nil
	}
	if _, err := Decode(version0); !errors.Is(err, ErrMalformed) {
		t.Fatalf("the released codec has no upcaster from 0, and answered %v", err)
	}
	got, err := Codec{Version: 1, Upcasters: map[int]Upcaster{0: addVia}, Read: decodeCurrent}.Decode(version0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upcast from version 0:\n%s", diff)
	}

	var steps []string
	step := func(from int, f Upcaster) Upcaster {
		return func(data []byte) ([]byte, error) {
			steps = append(steps, fmt.Sprintf("%d→%d", from, from+1))
			return f(data)
		}
	}
	same := func(data []byte) ([]byte, error) { return data, nil }
	ahead := Codec{
		Version:   3,
		Upcasters: map[int]Upcaster{0: step(0, addVia), 1: step(1, same), 2: step(2, same)},
		Read:      decodeCurrent,
	}
	for _, data := range [][]byte{version0, Encode(want)} {
		if got, err = ahead.Decode(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if got := strings.Join(steps, " "); got != "0→1 1→2 2→3 1→2 2→3" {
		t.Errorf("upcasters ran as %s", got)
	}
}

func TestE4UpcasterThatFails(t *testing.T) {
	c := Codec{Version: 2, Upcasters: map[int]Upcaster{1: func([]byte) ([]byte, error) { return nil, errors.New("no such field") }}, Read: decodeCurrent}
	_, err := c.Decode(Encode(goldenCases()["create"]))
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "upcast from version 1: no such field") {
		t.Errorf("got %v", err)
	}
}

// rewrite changes the fields of an encoded envelope.
func rewrite(t *testing.T, data []byte, change func([]msgpack.RawMessage) []msgpack.RawMessage) []byte {
	t.Helper()
	var fields []msgpack.RawMessage
	if err := msgpack.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	out, err := msgpack.Marshal(change(fields))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func BenchmarkEncode(b *testing.B) {
	e := goldenCases()["create"]
	e.Events[0].Body = bytes.Repeat([]byte("x"), 1000)
	b.ReportAllocs()
	for b.Loop() {
		Encode(e)
	}
}

func BenchmarkDecode(b *testing.B) {
	data := Encode(goldenCases()["create"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
