package proto

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newGolden writes the golden file of a case that has none yet. It never
// rewrites one: bytes of a released version stay as they are for ever.
var newGolden = flag.Bool("new-golden", false, "write the golden files of new cases; never rewrites one")

// goldenCases are envelopes of version 1, each kept byte for byte in
// testdata/v1/<name>.hex.
func goldenCases() map[string]*Envelope {
	at := time.Date(2026, 11, 23, 12, 34, 56, 789012345, time.UTC)
	pod := Resource{Name: "pods"}.Key("default", "web-1")
	return map[string]*Envelope{
		"elect": {
			Seq: 1, Term: 1, At: at, Actor: "system:bus", Verb: "elect", Correlation: "boot", Via: "sequencer",
			Events: []Event{{Kind: "LeaderElected", Reason: "Elected", Key: ObjectKey{Name: "local"}, Section: SectionMark}},
		},
		"create": {
			Seq: 2, Epoch: 0, Term: 1, At: at, Actor: "user:admin", Verb: "create", Cause: Cause{Request: "req-1"},
			Correlation: "req-1", Via: "kubectl create -f web.yaml", Prev: HashOf([]byte("elect")),
			Events: []Event{
				{Kind: "PodCreated", Reason: "Requested", Key: pod, UID: "u-1", Section: SectionSpec, Encoding: EncodingProtobuf, Body: []byte{10, 3, 1, 2, 3}},
				{Kind: "PodStatusChanged", Reason: "Requested", Key: pod, UID: "u-1", Section: SectionStatus, Encoding: EncodingProtobuf, Body: []byte{26, 0}},
			},
		},
		"bind-caused-by-sequence": {
			Seq: 1 << 40, Epoch: 3, Term: 70_000, At: at.Add(time.Nanosecond), Actor: "system:scheduler", Verb: "bind",
			Cause: Cause{Seq: 1<<40 - 1}, Correlation: "req-1", Via: "scheduler", Prev: HashOf([]byte("create")),
			Events: []Event{{Kind: "PodBound", Reason: "Fits", Key: pod, UID: "u-1", Section: SectionSpec, Encoding: EncodingProtobuf, Body: bytes.Repeat([]byte{0xff}, 300)}},
		},
		"delete": {
			Seq: 70_000, Term: 2, At: at, Actor: "node:n1", Verb: "delete", Cause: Cause{Seq: 69_999}, Correlation: "req-2", Prev: HashOf(nil),
			Events: []Event{{Kind: "PodDeleted", Reason: "Reported", Key: pod, UID: "u-1", Section: SectionGone}},
		},
		"sealed-secret": {
			Seq: 9, Term: 1, At: at, Actor: "user:ann", Verb: "update", Cause: Cause{Request: "r"}, Correlation: "r", Prev: HashOf(nil),
			Events: []Event{{
				Kind: "SecretSpecChanged", Reason: "Requested", Key: Resource{Name: "secrets"}.Key("kube-system", "token"), UID: "u-9",
				Section: SectionSpec, Encoding: EncodingSealed, KeyID: "key-9", Body: []byte("sealed"),
			}},
		},
		"custom-resource-in-a-group": {
			Seq: 10, Term: 1, At: at, Actor: "user:ü", Verb: "patch", Cause: Cause{Request: "r"}, Correlation: "r", Prev: HashOf(nil),
			Events: []Event{{
				Kind: "CronTabSpecChanged", Key: Resource{Group: "stable.example.com", Name: "crontabs"}.Key("ns", "a.b-c"), UID: "u",
				Section: SectionSpec, Encoding: EncodingMsgpack, Body: []byte{0x80},
			}},
		},
		"no-events": {Seq: 11, Term: 1, At: time.Unix(0, 0).UTC(), Actor: "user:admin", Verb: "update"},
	}
}

func TestE4GoldenBytesOfVersion1(t *testing.T) {
	for name, want := range goldenCases() {
		t.Run(name, func(t *testing.T) {
			data := goldenFile(t, name, Encode(want))
			if encoded := Encode(want); !bytes.Equal(encoded, data) {
				t.Errorf("version %d is no longer written as it was released; a change of the bytes needs a new version\n got %x\nwant %x", Version, encoded, data)
			}
			got, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the released bytes mean something else now (-released +now):\n%s", diff)
			}
		})
	}
}

// TestE4EveryGoldenFileIsRead keeps a case from being forgotten together with
// its file.
func TestE4EveryGoldenFileIsRead(t *testing.T) {
	files, err := filepath.Glob("testdata/v1/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	cases := goldenCases()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".hex")
		if cases[name] == nil {
			t.Errorf("%s has no case", file)
		}
	}
	if len(files) < 7 {
		t.Errorf("%d golden files, there were 7 when version 1 was released", len(files))
	}
}

func goldenFile(t *testing.T, name string, fresh []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "v1", name+".hex")
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) && *newGolden {
		content = []byte(hexLines(fresh))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(path, content, 0o644)
	}
	if err != nil {
		t.Fatalf("%v (a new case is written with -new-golden)", err)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(content)), ""))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return data
}

func hexLines(data []byte) string {
	var b strings.Builder
	for line := range slices.Chunk(data, 32) {
		fmt.Fprintf(&b, "%x\n", line)
	}
	return b.String()
}
