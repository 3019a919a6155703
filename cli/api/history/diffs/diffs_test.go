package diffs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

var all = Wish{Spec: true, Status: true}

func secretOf(t *testing.T, seq proto.Seq, applied string, data ...string) *events.Record {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "k", Namespace: "default"}, Data: map[string][]byte{}}
	if applied != "" {
		s.Annotations = map[string]string{lastApplied: applied}
	}
	for i := 0; i < len(data); i += 2 {
		s.Data[data[i]] = []byte(data[i+1])
	}
	return recordOf(t, s, proto.Resource{Name: "secrets"}, seq, "u")
}

// TestE7SecretsAreMasked: that a value differs is seen, and not what it is.
func TestE7SecretsAreMasked(t *testing.T) {
	before := secretOf(t, 1, `{"a":"topsecret1"}`, "same", "topsecret2", "changed", "topsecret3", "gone", "topsecret4")
	after := secretOf(t, 2, `{"a":"topsecret5"}`, "same", "topsecret2", "changed", "topsecret6", "new", "topsecret7")
	for _, d := range []history.Difference{{Key: before.Key, Before: before, After: after}, {Key: before.Key, After: after}, {Key: before.Key, Before: before}} {
		o, err := Compare(table, d, all)
		if err != nil {
			t.Fatal(err)
		}
		if text := o.Spec.Unified; strings.Contains(text, "topsecret") || strings.Contains(text, "dG9wc2") {
			t.Errorf("a value is shown:\n%s", text)
		}
		if d.Before == nil || d.After == nil {
			continue
		}
		for _, line := range []string{"-  changed: '*** (before)'", "+  changed: '*** (after)'", "-  gone: '***'", "+  new: '***'", "   same: '***'"} {
			if !strings.Contains(o.Spec.Unified, line+"\n") {
				t.Errorf("no line %q in\n%s", line, o.Spec.Unified)
			}
		}
	}
}

// TestE7PartsAndCounts: spec and status apart, bookkeeping left out, and what
// became of the object.
func TestE7PartsAndCounts(t *testing.T) {
	pods := proto.Resource{Name: "pods"}
	pod := func(seq proto.Seq, uid, image string, phase corev1.PodPhase) *events.Record {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", ResourceVersion: seq.String(), Generation: int64(seq)}}
		p.Spec.Containers = []corev1.Container{{Name: "c", Image: image}}
		p.Status.Phase = phase
		return recordOf(t, p, pods, seq, uid)
	}
	one := pod(1, "u", "i:1", "Pending")
	tests := []struct {
		name          string
		before, after *events.Record
		wish          Wish
		want          string // change, spec, status, number of fields
	}{
		{"nothing", one, pod(9, "u", "i:1", "Pending"), all, "none"},
		{"spec", one, pod(2, "u", "i:2", "Pending"), all, "changed +1-1 - 1"},
		{"status", one, pod(2, "u", "i:1", "Running"), all, "changed - +1-1 1"},
		{"status, asked for the spec", one, pod(2, "u", "i:1", "Running"), Wish{Spec: true}, "none"},
		{"both, asked for the status", one, pod(2, "u", "i:2", "Running"), Wish{Status: true}, "changed - +1-1 1"},
		{"both, counted", one, pod(2, "u", "i:2", "Running"), Wish{Spec: true, Status: true, Counts: true}, "changed +1-1 +1-1 0"},
		{"created", nil, one, all, "created +8-0 +2-0 5"},
		{"deleted", one, nil, all, "deleted +0-8 +0-2 5"},
		{"replaced", one, pod(2, "v", "i:2", "Pending"), all, "replaced +1-1 - 1"},
		{"came and went", nil, nil, all, "passed - - 0"},
	}
	var stat Stat
	for _, test := range tests {
		o, err := Compare(table, history.Difference{Key: pods.Key("default", "p"), Before: test.before, After: test.after}, test.wish)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if o != nil {
			stat.Count(o)
			got = fmt.Sprintf("%s %s %s %d", o.Change, countsOf(o.Spec), countsOf(o.Status), len(o.Changes))
			if test.wish.Counts && (o.Spec.Unified != "" || o.Status.Unified != "") {
				t.Errorf("%s: a text was made", test.name)
			}
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	if want := (Stat{Objects: 7, Created: 1, Deleted: 1, Replaced: 1, Changed: 4, Passed: 1, Added: 16, Removed: 16}); stat != want {
		t.Errorf("got %+v, want %+v", stat, want)
	}
}

func countsOf(part *Part) string {
	if part == nil {
		return "-"
	}
	return fmt.Sprintf("+%d-%d", part.Added, part.Removed)
}

// TestE7LongTextsAreNotComparedLineByLine: it would take too long.
func TestE7LongTextsAreNotComparedLineByLine(t *testing.T) {
	long := func(seq proto.Seq, line string) *events.Record {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "default"}, Data: map[string]string{"a": strings.Repeat(line, mostText+1)}}
		return recordOf(t, m, proto.Resource{Name: "configmaps"}, seq, "u")
	}
	o, err := Compare(table, history.Difference{Key: long(1, "").Key, Before: long(1, "a\n"), After: long(2, "b\n")}, all)
	if err != nil || !strings.Contains(o.Spec.Unified, "too many to compare line by line") || o.Spec.Added < mostText {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestE7StopsAreFoundWithoutReadingAll: every change of term, and few others.
func TestE7StopsAreFoundWithoutReadingAll(t *testing.T) {
	elections := map[proto.Seq]bool{1: true, 2: true, 500: true, 501: true, 9_999: true, 10_000: true}
	read := 0
	lookup := func(seq proto.Seq) (*proto.Envelope, error) {
		read++
		env := &proto.Envelope{Seq: seq, At: time.Unix(int64(seq), 0)}
		for at := range elections {
			if at <= seq {
				env.Term++
			}
		}
		return env, nil
	}
	gaps, err := Stops(1, 10_000, lookup)
	if err != nil {
		t.Fatal(err)
	}
	var got []proto.Seq
	for _, gap := range gaps {
		if gap.From.Seq != gap.To.Seq-1 || gap.To.Time.Unix() != int64(gap.To.Seq) || gap.Sort != Stopped {
			t.Errorf("%+v", gap)
		}
		got = append(got, gap.To.Seq)
	}
	if diff := cmp.Diff([]proto.Seq{2, 500, 501, 9_999, 10_000}, got); diff != "" {
		t.Error(diff)
	}
	if read > 100 {
		t.Errorf("%d transactions were read", read)
	}
	if gaps, err := Stops(7, 7, lookup); err != nil || len(gaps) > 0 {
		t.Errorf("of nothing: %v, %v", gaps, err)
	}
}

// TestE7Silences: when a node was not heard, also over the ends of a span.
func TestE7Silences(t *testing.T) {
	nodes := proto.Resource{Name: "nodes"}
	var past []*events.Record
	add := func(seq proto.Seq, ready corev1.ConditionStatus, sameStatus, deleted bool) {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		rec := recordOf(t, n, nodes, seq, "u")
		rec.Deleted, rec.At = deleted, time.Unix(int64(seq), 0)
		if sameStatus {
			rec.StatusSeq = past[len(past)-1].StatusSeq
		}
		past = append(past, rec)
	}
	add(10, "True", false, false)
	add(20, "Unknown", false, false)
	add(22, "Unknown", true, false) // a taint
	add(25, "Unknown", false, false)
	add(30, "True", false, false)
	add(31, "True", true, false)
	add(40, "Unknown", false, false)
	add(50, "Unknown", true, true)
	add(60, "Unknown", false, false)
	version := func(last proto.Seq) (*history.Version, error) {
		for i := len(past) - 1; i >= 0; i-- {
			if past[i].Seq <= last {
				return &history.Version{Record: past[i]}, nil
			}
		}
		return nil, nil
	}
	for span, want := range map[[2]proto.Seq]string{
		{0, 100}: "20-30 40-50 60-0", {0, 35}: "20-30", {10, 19}: "", {22, 28}: "20-0", {26, 45}: "20-30 40-0", {30, 35}: "", {31, 70}: "40-50 60-0", {55, 59}: "", {0, 5}: "",
	} {
		gaps, err := Silences(table, "n", span[0], span[1], version)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, gap := range gaps {
			got = append(got, fmt.Sprintf("%s-%s", gap.From.Seq, gap.To.Seq))
			if gap.From.Time.Unix() != int64(gap.From.Seq) || gap.Node != "n" {
				t.Errorf("%+v", gap)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%v: got %s, want %s", span, text, want)
		}
	}
}

// TestE7EveryCharacterCanBeCompared: also those that YAML has as escapes only.
func TestE7EveryCharacterCanBeCompared(t *testing.T) {
	of := func(seq proto.Seq, value string) *events.Record {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "default"}, Data: map[string]string{"a": value}}
		return recordOf(t, m, proto.Resource{Name: "configmaps"}, seq, "u")
	}
	for _, value := range []string{"x\x7fy", "x\u0080y", "x\u009by", "x\ufffey", "x\u0085y", "x\x00y"} {
		o, err := Compare(table, history.Difference{Key: of(1, "").Key, Before: of(1, "plain"), After: of(2, value)}, all)
		if err != nil {
			t.Fatal(err)
		}
		if o.Spec.Added != 1 || !strings.Contains(o.Spec.Unified, `+  a: "x\`) {
			t.Errorf("%q:\n%s", value, o.Spec.Unified)
		}
	}
}

// TestE7AGapThatIsStillOpenHasNoEnd: JSON has no moment for what has none.
func TestE7AGapThatIsStillOpenHasNoEnd(t *testing.T) {
	from := Moment{Seq: 7, Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	for want, gap := range map[string]Gap{
		`{"sort":"silent","node":"n1","from":{"seq":7,"time":"2026-11-23T10:00:00Z"}}`:                                   {Sort: Silent, Node: "n1", From: from},
		`{"sort":"stopped","from":{"seq":7,"time":"2026-11-23T10:00:00Z"},"to":{"seq":7,"time":"2026-11-23T10:00:00Z"}}`: {Sort: Stopped, From: from, To: from},
	} {
		if got, err := json.Marshal(gap); err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}
