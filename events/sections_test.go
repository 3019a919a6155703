package events

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/proto"
)

func TestE1SectionsAreTheObject(t *testing.T) {
	table := testTable()
	pod := fullPod()
	pod.UID, pod.ResourceVersion, pod.SelfLink = "u", "77", "/old"
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"}
	before := Copy(pod)
	kind := table.Of(pods)
	s, err := kind.Encode(pod)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, pod); diff != "" {
		t.Errorf("Encode wrote to the object:\n%s", diff)
	}
	bare := Copy(pod)
	bare.ResourceVersion, bare.SelfLink = "", ""
	whole, err := bare.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(bytes.Clone(s.Spec), s.Status...), whole) {
		t.Error("spec followed by status is not the object's protobuf")
	}
	again, err := kind.Encode(Copy(pod))
	if err != nil || !bytes.Equal(s.Spec, again.Spec) || !bytes.Equal(s.Status, again.Status) {
		t.Errorf("encoded twice: different bytes, %v", err)
	}

	// A status section replaces a status, a spec section a spec.
	other := Copy(pod)
	other.Spec.Containers[0].Image, other.Status = "other", corev1.PodStatus{Phase: corev1.PodFailed}
	o, err := kind.Encode(other)
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := kind.Decode(Sections{Spec: o.Spec, Status: s.Status})
	if err != nil {
		t.Fatal(err)
	}
	want := Copy(bare)
	want.Spec = other.Spec
	if !apiequality.Semantic.DeepEqual(want, mixed) {
		t.Errorf("mixed sections:\n%s", cmp.Diff(want, mixed))
	}
}

// TestSectionsOfWhatHasNoStatus: field 3 of a Secret is its type.
func TestSectionsOfWhatHasNoStatus(t *testing.T) {
	kind := &Kind{GVK: corev1.SchemeGroupVersion.WithKind("Secret"), Resource: proto.Resource{Name: "secrets"}, New: func() Object { return &corev1.Secret{} }}
	secret := &corev1.Secret{ObjectMeta: meta("s"), Data: map[string][]byte{"b": {1}, "a": {2}, "c": {3}}, Type: corev1.SecretTypeOpaque}
	s, err := kind.Encode(secret)
	if err != nil || s.Status != nil {
		t.Fatalf("status %x, %v", s.Status, err)
	}
	got, err := kind.Decode(s)
	if err != nil || !apiequality.Semantic.DeepEqual(secret, got) {
		t.Errorf("%v:\n%s", err, cmp.Diff(secret, got))
	}
}

func TestCutKeepsFieldsBehindTheStatusWithTheSpec(t *testing.T) {
	field := func(number uint64, body string) []byte {
		out := binary.AppendUvarint(nil, number<<3|2)
		return append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	data := bytes.Join([][]byte{field(1, "meta"), field(3, "sta"), field(2, "spec"), field(4, "more"), field(3, "tus")}, nil)
	s, err := cut(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Join([][]byte{field(1, "meta"), field(2, "spec"), field(4, "more")}, nil); !bytes.Equal(s.Spec, want) {
		t.Errorf("spec %q, want %q", s.Spec, want)
	}
	if want := append(field(3, "sta"), field(3, "tus")...); !bytes.Equal(s.Status, want) {
		t.Errorf("status %q, want %q", s.Status, want)
	}
}

// FuzzCut: nothing panics, and what is cut has every byte once.
func FuzzCut(f *testing.F) {
	pod := fullPod()
	data, _ := pod.Marshal()
	f.Add(data)
	f.Add([]byte{0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0x18, 0x80})
	f.Add([]byte{0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4, 0x1b})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		s, err := cut(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the input was written to")
		}
		if err == nil && s.Size() != len(data) {
			t.Fatalf("%d bytes became %d", len(data), s.Size())
		}
	})
}

func TestE1ApplyIsTotal(t *testing.T) {
	at := time.Unix(100, 0)
	key := pods.Key("default", "p")
	event := func(section proto.Section, uid, body string) *proto.Event {
		return &proto.Event{Key: key, UID: uid, Section: section, Encoding: proto.EncodingProtobuf, Body: []byte(body)}
	}
	live := Apply(nil, event(proto.SectionSpec, "u1", "spec1"), 5, at)
	want := &Record{Key: key, UID: "u1", Seq: 5, SpecSeq: 5, Created: 5, Encoding: proto.EncodingProtobuf, Spec: []byte("spec1"), At: at}
	if diff := cmp.Diff(want, live); diff != "" {
		t.Fatalf("created:\n%s", diff)
	}
	later := at.Add(time.Second)
	withStatus := Apply(live, event(proto.SectionStatus, "u1", "status1"), 6, later)
	gone := Apply(withStatus, event(proto.SectionGone, "u1", ""), 7, later)
	for name, c := range map[string]struct {
		before *Record
		event  *proto.Event
		want   *Record
	}{
		"status":                          {live, event(proto.SectionStatus, "u1", "status1"), &Record{Key: key, UID: "u1", Seq: 6, SpecSeq: 5, StatusSeq: 6, Created: 5, Encoding: 1, Spec: []byte("spec1"), Status: []byte("status1"), At: later}},
		"spec again keeps the status":     {withStatus, event(proto.SectionSpec, "u1", "spec2"), &Record{Key: key, UID: "u1", Seq: 6, SpecSeq: 6, StatusSeq: 6, Created: 5, Encoding: 1, Spec: []byte("spec2"), Status: []byte("status1"), At: later}},
		"gone keeps the last sections":    {withStatus, event(proto.SectionGone, "u1", ""), &Record{Key: key, UID: "u1", Seq: 6, SpecSeq: 5, StatusSeq: 6, Created: 5, Encoding: 1, Spec: []byte("spec1"), Status: []byte("status1"), Deleted: true, At: later}},
		"a new life has no old status":    {gone, event(proto.SectionSpec, "u2", "spec3"), &Record{Key: key, UID: "u2", Seq: 6, SpecSeq: 6, Created: 6, Encoding: 1, Spec: []byte("spec3"), At: later}},
		"the same uid after its end":      {gone, event(proto.SectionSpec, "u1", "spec3"), &Record{Key: key, UID: "u1", Seq: 6, SpecSeq: 6, Created: 6, Encoding: 1, Spec: []byte("spec3"), At: later}},
		"late status of an old life":      {withStatus, event(proto.SectionStatus, "u0", "x"), withStatus},
		"late status after the end":       {gone, event(proto.SectionStatus, "u1", "x"), gone},
		"status of nothing":               {nil, event(proto.SectionStatus, "u1", "x"), nil},
		"end of nothing":                  {nil, event(proto.SectionGone, "u1", ""), nil},
		"end of an old life":              {withStatus, event(proto.SectionGone, "u0", ""), withStatus},
		"end twice":                       {gone, event(proto.SectionGone, "u1", ""), gone},
		"mark":                            {withStatus, event(proto.SectionMark, "u1", ""), withStatus},
		"mark of nothing":                 {nil, event(proto.SectionMark, "", ""), nil},
		"a section of the future":         {withStatus, event(77, "u1", "x"), withStatus},
		"a section of the future, before": {nil, event(0, "u1", "x"), nil},
	} {
		var copied *Record
		if c.before != nil {
			r := *c.before
			copied = &r
		}
		if diff := cmp.Diff(c.want, Apply(c.before, c.event, 6, later)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if diff := cmp.Diff(copied, c.before); diff != "" {
			t.Errorf("%s: before was written to:\n%s", name, diff)
		}
	}
}

func TestReadAndWireAreInverse(t *testing.T) {
	for section := proto.Section(0); section < 10; section++ {
		ev := &proto.Event{Kind: "X", Section: section}
		if got := Read(ev); got.Wire() != ev {
			t.Errorf("section %d: %T does not hold the event", section, got)
		}
	}
	ev := &proto.Event{Section: proto.SectionSpec}
	if n := testing.AllocsPerRun(100, func() { Read(ev) }); n != 0 {
		t.Errorf("Read allocates %v times", n)
	}
}

func BenchmarkApply(b *testing.B) {
	ev := &proto.Event{Key: pods.Key("default", "p"), UID: "u", Section: proto.SectionStatus, Body: []byte("x")}
	before := &Record{Key: ev.Key, UID: "u"}
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		Apply(before, ev, 1, at)
	}
}

func BenchmarkEncodePod(b *testing.B) {
	kind := testTable().Of(pods)
	pod := fullPod()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kind.Encode(pod); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTableDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	table := testTable()
	for name, r := range map[string]*Record{
		"unknown resource": {Key: proto.Resource{Name: "widgets"}.Key("a", "b")},
		"not protobuf":     {Key: pods.Key("a", "b"), Spec: []byte{0xff}},
	} {
		if obj, err := table.Decode(r); err == nil {
			t.Errorf("%s: got %v", name, obj)
		}
	}
	if _, err := (&Kind{New: func() Object { return &metav1.PartialObjectMetadata{} }}).Encode(&metav1.PartialObjectMetadata{}); err != nil {
		t.Errorf("partial metadata has a protobuf form: %v", err)
	}
}
