package events

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"segno/proto"
)

// lawfully decides a command, folds it, and checks what holds for every
// decision, whatever it is:
//
//   - it is pure: deciding again gives the same, and neither the command nor
//     the view's objects are written to;
//   - a refusal decides nothing, and a dry run appends nothing;
//   - an event carries a section that differs from the one before, and its
//     name is in the closed set;
//   - folding the events gives exactly the objects that the decision answers.
func lawfully(t testing.TB, c *cluster, cmd Command) (Decision, error) {
	t.Helper()
	watched := &watched{View: c, given: map[proto.ObjectKey][2]Object{}}
	before := encodings(t, c, cmd.Action)
	d, err := Decide(c.table, watched, cmd, c.at)
	if diff := cmp.Diff(before, encodings(t, c, cmd.Action)); diff != "" {
		t.Errorf("the command was written to:\n%s", diff)
	}
	watched.check(t)
	again, errAgain := Decide(c.table, c, cmd, c.at)
	if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
		t.Errorf("decided twice: %v, then %v", err, errAgain)
	}
	if diff := cmp.Diff(d.Events, again.Events); diff != "" {
		t.Errorf("decided twice:\n%s", diff)
	}
	if err != nil {
		if diff := cmp.Diff(Decision{}, d, cmpopts.IgnoreUnexported()); diff != "" {
			t.Errorf("a refusal decided something:\n%s", diff)
		}
		return d, err
	}
	if cmd.DryRun && len(d.Events)+len(d.Touched) > 0 {
		t.Error("a dry run has events")
	}
	for _, e := range d.Events {
		if !c.table.Known(Fact(e.Kind)) {
			t.Errorf("%s is not in the closed set", e.Kind)
		}
		if e.Reason == "" {
			t.Errorf("%s has no reason", e.Kind)
		}
	}
	if _, isBatch := cmd.Action.(Batch); !isBatch {
		checkChanged(t, c, d)
	}
	c.fold(d)
	checkFolded(t, c, d)
	return d, nil
}

// checkChanged: an event carries a section whose bytes changed.
func checkChanged(t testing.TB, c *cluster, d Decision) {
	t.Helper()
	for _, e := range d.Events {
		r := c.records[e.Key]
		if r == nil || r.Deleted {
			continue
		}
		if e.Section == proto.SectionSpec && bytes.Equal(r.Spec, e.Body) || e.Section == proto.SectionStatus && bytes.Equal(r.Status, e.Body) {
			t.Errorf("%s carries the section that was there already", e.Kind)
		}
	}
}

// checkFolded: the fold has what the decision says.
func checkFolded(t testing.TB, c *cluster, d Decision) {
	t.Helper()
	last := map[proto.ObjectKey]Object{}
	for _, touched := range d.Touched {
		last[touched.Key] = touched.Object
	}
	for key, want := range last {
		got := c.get(key)
		switch {
		case want == nil && got == nil:
		case want == nil || got == nil:
			t.Errorf("%s: the fold has %v, the decision %v", key, got, want)
		default:
			want = shallow(want)
			want.SetResourceVersion(c.seq.String())
			if !apiequality.Semantic.DeepEqual(want, got) {
				t.Errorf("%s: folded is not decided:\n%s", key, cmp.Diff(want, got))
			}
		}
	}
}

// encodings prints the objects of a command.
func encodings(t testing.TB, c *cluster, action Action) []string {
	t.Helper()
	var obj Object
	switch a := action.(type) {
	case Create:
		obj = a.Object
	case Update:
		obj = a.Object
	case Patch:
		return []string{string(a.Data)}
	case Batch:
		var out []string
		for _, item := range a {
			out = append(out, encodings(t, c, item)...)
		}
		return out
	case Delete, Bind, Elect:
	}
	if obj == nil {
		return nil
	}
	data, err := obj.(message).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return []string{string(data), obj.GetObjectKind().GroupVersionKind().String()}
}

// watched is a view that remembers what it handed out.
type watched struct {
	View
	given map[proto.ObjectKey][2]Object
}

func (w *watched) Get(key proto.ObjectKey) (Object, error) {
	if pair, ok := w.given[key]; ok {
		return pair[0], nil
	}
	obj, err := w.View.Get(key)
	if obj != nil {
		w.given[key] = [2]Object{obj, Copy(obj)}
	}
	return obj, err
}

func (w *watched) check(t testing.TB) {
	t.Helper()
	for key, pair := range w.given {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("the view's %s was written to:\n%s", key, diff)
		}
	}
}
