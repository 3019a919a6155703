package events

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestO10Bodies runs testdata/body.txtar: each pair of files is a body, whose
// name says how it is read (validation.media.what), and the answer.
func TestO10Bodies(t *testing.T) {
	const file = "testdata/body.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := testTable()
	for i := 0; i+1 < len(archive.Files); i += 2 {
		body, answer := archive.Files[i], &archive.Files[i+1]
		t.Run(body.Name, func(t *testing.T) {
			validation, rest, _ := strings.Cut(body.Name, ".")
			media, _, _ := strings.Cut(rest, ".")
			obj, warnings, err := DecodeBody(table.Of(pods), "application/"+media, body.Data, FieldValidation(validation))
			var got strings.Builder
			switch status := (*apierrors.StatusError)(nil); {
			case errors.As(err, &status):
				fmt.Fprintf(&got, "%d %s: %v\n", status.ErrStatus.Code, status.ErrStatus.Reason, err)
			case err != nil:
				t.Fatalf("%v is not a Status", err)
			default:
				pod := obj.(*corev1.Pod)
				fmt.Fprintf(&got, "pod %q on %q, kind %q\n", pod.Name, pod.Spec.NodeName, pod.Kind)
			}
			for _, w := range warnings {
				fmt.Fprintf(&got, "warning: %s\n", w)
			}
			if *update {
				answer.Name, answer.Data = "answer", []byte(got.String())
			} else if diff := cmp.Diff(string(answer.Data), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// protobufBody is what client-go sends.
func protobufBody(t testing.TB, apiVersion, kind string, raw []byte) []byte {
	t.Helper()
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: apiVersion, Kind: kind}, Raw: raw}
	data, err := u.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("k8s\x00"), data...)
}

func TestO10ProtobufBodies(t *testing.T) {
	table := testTable()
	want := fullPod()
	raw, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := DecodeBody(table.Of(pods), MediaProtobuf, protobufBody(t, "v1", "Pod", raw), ValidateStrict)
	if err != nil || !apiequality.Semantic.DeepEqual(want, got) {
		t.Fatalf("%v\n%s", err, cmp.Diff(want, got))
	}
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"other version": {protobufBody(t, "v2", "Pod", raw), "the API version in the data (v2) does not match the expected API version (v1)"},
		"other kind":    {protobufBody(t, "v1", "Node", raw), `Node in version "v1" cannot be handled as a Pod`},
		"no magic":      {raw, "expected prefix [107 56 115 0]"},
		"broken inside": {protobufBody(t, "v1", "Pod", raw[:len(raw)-3]), `Pod in version "v1" cannot be handled as a Pod: unexpected EOF`},
		"broken":        {[]byte("k8s\x00\x0a\xff"), "unexpected EOF"},
		"empty":         {nil, "empty body"},
	} {
		_, _, err := DecodeBody(table.Of(pods), MediaProtobuf, c.body, ValidateStrict)
		if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
}

func TestBodiesOfOtherMediaTypes(t *testing.T) {
	kind := testTable().Of(pods)
	for media, code := range map[string]int32{"application/cbor": http.StatusUnsupportedMediaType, "text/plain": http.StatusUnsupportedMediaType, ";;": http.StatusBadRequest} {
		_, _, err := DecodeBody(kind, media, []byte("{}"), ValidateStrict)
		var status *apierrors.StatusError
		if !errors.As(err, &status) || status.ErrStatus.Code != code {
			t.Errorf("%s: got %v", media, err)
		}
	}
	for _, media := range []string{"", "application/json; charset=utf-8", "application/yaml"} {
		if _, _, err := DecodeBody(kind, media, []byte("{}"), ValidateStrict); err != nil {
			t.Errorf("%q: %v", media, err)
		}
	}
	scale := &autoscalingv1.Scale{}
	if _, err := DecodeInto(scale, ScaleKind, MediaJSON, []byte(`{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":3}}`), ValidateStrict); err != nil || scale.Spec.Replicas != 3 || scale.Kind != "" {
		t.Errorf("scale %v, %v", scale, err)
	}
}

// TestHostileBodiesAreRefusedCheaply: small bodies that would grow without end.
func TestHostileBodiesAreRefusedCheaply(t *testing.T) {
	kind := testTable().Of(pods)
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1)
	}
	wide := `{"spec":{"containers":[` + strings.Repeat(`{"name":1},`, 20_000) + `{}]}}`
	for name, c := range map[string]struct{ media, body string }{
		"a billion laughs":        {MediaYAML, laughs.String()},
		"deep lists":              {MediaJSON, strings.Repeat("[", 1_000_000)},
		"deep objects":            {MediaJSON, `{"spec":` + strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_001)},
		"deep lists in YAML":      {MediaYAML, strings.Repeat("[", 100_000)},
		"many wrong fields":       {MediaJSON, wide},
		"wrong and deep":          {MediaJSON, `{"metadata":{"name":` + strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_002)},
		"a long number":           {MediaJSON, `{"spec":{"terminationGracePeriodSeconds":` + strings.Repeat("9", 1_000_000) + `}}`},
		"a quantity without ends": {MediaJSON, `{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1e999999999"}}}]}}`},
	} {
		began := time.Now()
		_, _, err := DecodeBody(kind, c.media, []byte(c.body), ValidateStrict)
		if took := time.Since(began); took > 30*time.Second { // growing without end takes minutes at least
			t.Errorf("%s: took %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
		if err != nil && len(err.Error()) > 16<<10 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
		if err == nil && name != "a quantity without ends" {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzDecodeBody: whatever is sent, there is an object or a Status.
func FuzzDecodeBody(f *testing.F) {
	pod := fullPod()
	raw, _ := pod.Marshal()
	f.Add(byte(0), []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}}}]}}`))
	f.Add(byte(1), []byte("apiVersion: v1\nkind: Pod\nspec:\n  nodeName: &a x\n  hostname: *a\n"))
	f.Add(byte(2), protobufBody(f, "v1", "Pod", raw))
	table := testTable()
	f.Fuzz(func(t *testing.T, how byte, body []byte) {
		media := []string{MediaJSON, MediaYAML, MediaProtobuf}[how%3]
		kind := table.All()[int(how/3)%len(table.All())]
		obj, _, err := DecodeBody(kind, media, body, []FieldValidation{ValidateStrict, ValidateWarn}[how%2])
		if status := (*apierrors.StatusError)(nil); err != nil && !errors.As(err, &status) {
			t.Fatalf("%v is not a Status", err)
		}
		if err != nil {
			return
		}
		s, err := kind.Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		back, err := kind.Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := kind.Encode(back)
		if err != nil || !bytes.Equal(s.Spec, again.Spec) || !bytes.Equal(s.Status, again.Status) {
			t.Fatalf("encoding is not stable: %v\n%x\n%x", err, s, again)
		}
	})
}
