package kinds_test

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/equality"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"

	"segno/events"
)

// rounds is how many objects of each kind a plain test run makes.
const rounds = 200

// TestE1RoundTrip: an object that came in as JSON is the same JSON after it was
// kept as sections. -fuzz=FuzzRoundTrip goes on with other seeds.
func TestE1RoundTrip(t *testing.T) {
	for _, kind := range table.All() {
		t.Run(kind.GVK.Kind, func(t *testing.T) {
			for seed := range int64(rounds) {
				roundTrip(t, kind, seed)
			}
		})
	}
}

// FuzzRoundTrip is TestE1RoundTrip over seeds that the fuzzer chooses.
func FuzzRoundTrip(f *testing.F) {
	for i := range table.All() {
		f.Add(i, int64(i))
	}
	f.Fuzz(func(t *testing.T, which int, seed int64) {
		all := table.All()
		roundTrip(t, all[uint(which)%uint(len(all))], seed)
	})
}

func roundTrip(t *testing.T, kind *events.Kind, seed int64) {
	t.Helper()
	random := kind.New()
	filler := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(seed), scheme.Codecs)
	filler.NumElements(1, 3).Funcs(someBytes).Fill(random)
	random.SetResourceVersion("")
	random.SetSelfLink("")
	data, err := json.Marshal(random)
	if err != nil {
		t.Fatal(err)
	}
	obj := kind.New()
	if err := json.Unmarshal(data, obj); err != nil {
		t.Fatal(err)
	}
	obj.GetObjectKind().SetGroupVersionKind(kind.GVK)
	want := marshal(t, obj)
	sections, err := kind.Encode(obj)
	if err != nil {
		t.Fatal(err)
	}
	if len(sections.Status) > 0 && !kind.HasStatus {
		t.Fatal("a status section of a kind without status")
	}
	back, err := kind.Decode(sections)
	if err != nil {
		t.Fatal(err)
	}
	back.GetObjectKind().SetGroupVersionKind(kind.GVK)
	if got := marshal(t, back); !bytes.Equal(got, want) {
		t.Fatalf("seed %d (-before +after):\n%s", seed, cmp.Diff(string(want), string(got)))
	}
	defaultTwice(t, kind, back, seed)
}

// someBytes makes bytes that are there: like Kubernetes' own storage, protobuf
// does not tell an empty list from a missing one.
func someBytes(b *[]byte, c randfill.Continue) { *b = []byte("x" + c.String(8)) }

// defaultTwice: any object at all takes defaults without a panic, and takes
// them once.
func defaultTwice(t *testing.T, kind *events.Kind, obj events.Object, seed int64) {
	t.Helper()
	if kind.Default == nil {
		return
	}
	kind.Default(obj)
	again := events.Copy(obj)
	kind.Default(again)
	if !equality.Semantic.DeepEqual(obj, again) {
		t.Fatalf("seed %d: defaults of defaults differ:\n%s", seed, cmp.Diff(string(marshal(t, obj)), string(marshal(t, again))))
	}
	if kind.Validate != nil {
		kind.Validate(obj) // says what it likes, and does not panic
	}
	kind.Row(obj, now)
}

func marshal(t *testing.T, obj any) []byte {
	t.Helper()
	data, err := json.MarshalIndent(obj, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}
