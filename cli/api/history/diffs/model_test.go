package diffs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/kinds"
	"segno/proto"
)

var table = kinds.Table()

func recordOf(t *testing.T, obj events.Object, resource proto.Resource, seq proto.Seq, uid string) *events.Record {
	t.Helper()
	kind := table.Of(resource)
	sections, err := kind.Encode(obj)
	if err != nil {
		t.Fatal(err)
	}
	return &events.Record{
		Key: kind.KeyOf(obj), UID: uid, Seq: seq, SpecSeq: seq, StatusSeq: seq, Created: 1,
		Encoding: proto.EncodingProtobuf, Spec: sections.Spec, Status: sections.Status,
	}
}

func randomDeployment(rng *rand.Rand) *appsv1.Deployment {
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	n := int32(rng.IntN(4))
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", ResourceVersion: fmt.Sprint(rng.IntN(99)), Generation: int64(rng.IntN(99))}}
	d.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: pick("a", "b")}}
	d.Spec.Replicas = &n
	for i := range rng.IntN(20) {
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		d.Annotations[fmt.Sprintf("x.y/%d", i)] = pick("", "one\ntwo", "one\ntwo\n", "- a: b", "---", "+++ x", "true")
	}
	for _, name := range []string{"web", "side"} {
		if rng.IntN(2) == 0 {
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: name, Image: pick("a", "b"), Args: []string{pick("1", "2")}})
		}
	}
	d.Status.Replicas = int32(rng.IntN(3))
	return d
}

// patch applies a unified diff.
func patch(t *testing.T, lines []string, unified string) []string {
	t.Helper()
	var out []string
	at := 0
	body := strings.SplitAfter(unified, "\n")
	for _, line := range body[2 : len(body)-1] { // behind the names of the sides
		switch {
		case strings.HasPrefix(line, "@@ -"):
			from, to, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "@@ -"), " @@\n"), " +")
			begin := hunkBegin(t, from)
			out, at = append(out, lines[at:begin]...), begin
			if want := hunkBegin(t, to); want != len(out) {
				t.Fatalf("%q: the hunk begins behind %d lines of what it becomes\n%s", line, len(out), unified)
			}
		case line[0] == '+':
			out = append(out, line[1:])
		default:
			if at >= len(lines) || lines[at] != line[1:] {
				t.Fatalf("%q is not what stands at %d:\n%s", line, at, strings.Join(lines, ""))
			}
			if at++; line[0] == ' ' {
				out = append(out, line[1:])
			}
		}
	}
	return append(out, lines[at:]...)
}

// hunkBegin is how many lines stand before a hunk, by one half of its head.
func hunkBegin(t *testing.T, half string) int {
	t.Helper()
	start, count, _ := strings.Cut(half, ",")
	begin, err := strconv.Atoi(start)
	if err != nil {
		t.Fatal(err)
	}
	if count != "0" {
		begin--
	}
	return begin
}

// TestE7DiffsAppliedGiveTheLaterObject over random histories: part by part, as
// JSON, and the counts are those of the text.
func TestE7DiffsAppliedGiveTheLaterObject(t *testing.T) {
	resource := proto.Resource{Group: "apps", Name: "deployments"}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 17))
		var before *events.Record
		for seq := proto.Seq(1); seq < 12; seq++ {
			var after *events.Record
			if rng.IntN(6) > 0 {
				after = recordOf(t, randomDeployment(rng), resource, seq, fmt.Sprint(rng.IntN(2)))
			}
			key := resource.Key("default", "web")
			o, err := Compare(table, history.Difference{Key: key, Before: before, After: after}, Wish{Spec: true, Status: true})
			if err != nil {
				t.Fatal(err)
			}
			was, is := mustShow(t, before), mustShow(t, after)
			if o == nil {
				if diff := cmp.Diff(was, is); diff != "" {
					t.Fatalf("seed %d: no difference but %s", seed, diff)
				}
				before = after
				continue
			}
			checkPart(t, o.Spec, withoutStatus(was), withoutStatus(is))
			checkPart(t, o.Status, onlyStatus(was), onlyStatus(is))
			before = after
		}
	}
}

func mustShow(t *testing.T, rec *events.Record) map[string]any {
	t.Helper()
	out, err := shown(table, rec)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func checkPart(t *testing.T, part *Part, was, is map[string]any) {
	t.Helper()
	text, err := yamlOf(was)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1]
	if part != nil {
		had := len(lines)
		lines = patch(t, lines, part.Unified)
		if len(lines)-had != part.Added-part.Removed {
			t.Errorf("+%d -%d, but %d lines became %d", part.Added, part.Removed, had, len(lines))
		}
	}
	got, err := yaml.YAMLToJSON([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	if len(is) == 0 {
		if len(lines) > 0 {
			t.Errorf("left is %s", got)
		}
		return
	}
	want, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal(want, &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Fatalf("applied, the difference gives %s\n%s", diff, part.Unified)
	}
}
