package proto

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKeysReadAsPeopleWriteThem(t *testing.T) {
	for got, want := range map[string]string{
		Resource{Group: "apps", Name: "deployments"}.Key("default", "web").String(): "deployments.apps/default/web",
		Resource{Name: "nodes"}.Key("", "n1").String():                              "nodes/n1",
		Seq(12).String():              "12",
		HashOf([]byte("abc")).Short(): "ba7816bf8f01",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if !(Hash{}).IsZero() || HashOf(nil).IsZero() {
		t.Error("only the unset hash is zero")
	}
}

func TestParseSeq(t *testing.T) {
	for text, want := range map[string]Seq{"": 0, "0": 0, "42": 42, "18446744073709551615": 1<<64 - 1} {
		if got, err := ParseSeq(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "1.5", "x", " 1", "18446744073709551616"} {
		if got, err := ParseSeq(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

func TestNodeMessagesRoundTrip(t *testing.T) {
	want := &Want{Counter: 7, Full: true, Pods: []WantPod{{Key: Resource{Name: "pods"}.Key("ns", "p"), UID: "u", Seq: 9, Gone: true, Body: []byte{1}}}}
	got := &Want{}
	if err := Unpack(Pack(want), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostileNodeMessages(t *testing.T) {
	for name, data := range map[string][]byte{
		"4 G items":         {0x81, 0xa1, 'i', 0xdd, 0xff, 0xff, 0xff, 0xff},
		"4 GiB of status":   {0x81, 0xa1, 'i', 0x91, 0x81, 0xa1, 's', 0xc6, 0xff, 0xff, 0xff, 0xff},
		"200,000 nil items": append([]byte{0x81, 0xa1, 'i', 0xdd, 0, 3, 0x0d, 0x40}, bytes.Repeat([]byte{0xc0}, 200_000)...),
		"a map of 4 G":      {0xdf, 0xff, 0xff, 0xff, 0xff},
		"half a length":     {0xdd, 0xff},
		"an unknown code":   {0xc1},
		"nothing":           {},
		"two messages":      {0x80, 0x80},
		"a key of 3 parts":  {0x81, 0xa1, 'i', 0x91, 0x81, 0xa1, 'k', 0x93, 0xa0, 0xa0, 0xa0},
		"a list for a text": {0x81, 0xa1, 'i', 0x91, 0x81, 0xa1, 'u', 0x90},
		"33 deep lists":     append(bytes.Repeat([]byte{0x91}, 33), 0xc0),
	} {
		var report Report
		if err := Unpack(data, &report); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// TestPlausibleKnowsEveryForm compares the walk with the encoder.
func TestPlausibleKnowsEveryForm(t *testing.T) {
	for _, value := range []any{
		nil, true, 1, -1, -40, 200, -200, 70_000, -70_000, uint64(1) << 40, -1 << 40, float32(1), 2.5, "", strings.Repeat("x", 40),
		strings.Repeat("x", 300), strings.Repeat("x", 70_000), make([]byte, 1), make([]byte, 300), make([]byte, 70_000),
		make([]int, 15), make([]int, 16), make([]int, 70_000), map[string]int{"a": 1}, map[int]string{}, time.Unix(1, 1), time.Unix(1<<40, 1),
	} {
		data := Pack(value)
		if err := Plausible(data); err != nil {
			t.Errorf("%T of %d bytes: %v", value, len(data), err)
		}
		if err := Plausible(append(data, 0xc0)); err == nil {
			t.Errorf("%T: bytes after the end went unnoticed", value)
		}
		if err := Plausible(data[:len(data)-1]); err == nil {
			t.Errorf("%T: a missing byte went unnoticed", value)
		}
	}
}

// FuzzUnpack feeds a node's message as a hostile node could send it.
func FuzzUnpack(f *testing.F) {
	f.Add(Pack(&Report{Items: []ReportItem{{Key: Resource{Name: "pods"}.Key("ns", "p"), UID: "u", Status: []byte{1}}}}))
	f.Add([]byte{0x81, 0xa1, 'i', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var report, again Report
		if err := Unpack(data, &report); err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if err := Unpack(Pack(&report), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report, again, sameOnWire); diff != "" {
			t.Fatal(diff)
		}
	})
}
