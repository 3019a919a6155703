package undo_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/fields"
	"segno/events/kinds"
	"segno/events/undo"
	"segno/proto"
)

// log is a log in memory, and the state that it folds into at every sequence.
type log struct {
	t        testing.TB
	table    *events.Table
	all      []*proto.Envelope
	versions map[proto.ObjectKey][]*events.Record
	uids     int
}

var _ undo.Past = (*log)(nil)

var (
	configMaps  = proto.Resource{Name: "configmaps"}
	deployments = proto.Resource{Group: "apps", Name: "deployments"}
	saRes       = proto.Resource{Name: "serviceaccounts"}
	podRes      = proto.Resource{Name: "pods"}
	serviceRes  = proto.Resource{Name: "services"}
	nsRes       = proto.Resource{Name: "namespaces"}
	nodeRes     = proto.Resource{Name: "nodes"}
)

const ada, bob = proto.Actor("user:ada"), proto.Actor("user:bob")

// newLog begins with the namespaces default and team, made by the control plane.
func newLog(t testing.TB) *log {
	l := &log{t: t, table: kinds.Table(), versions: map[proto.ObjectKey][]*events.Record{}}
	for _, name := range []string{"default", "team"} {
		l.do("system:namespace", events.Create{Key: nsRes.Key("", name), Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}})
	}
	return l
}

func (l *log) clock() time.Time {
	return time.Date(2026, 11, 23, 12, 0, len(l.all), 0, time.UTC)
}

func (l *log) uid() types.UID {
	l.uids++
	return types.UID(fmt.Sprintf("uid-%d", l.uids))
}

// do decides and folds an action, and answers its sequence.
func (l *log) do(actor proto.Actor, action events.Action) proto.Seq {
	l.t.Helper()
	return l.because(actor, 0, action)
}

func (l *log) because(actor proto.Actor, cause proto.Seq, action events.Action) proto.Seq {
	l.t.Helper()
	seq, err := l.submit(events.Command{Actor: actor, Cause: proto.Cause{Seq: cause}, Via: "segno do", Action: action})
	if err != nil {
		l.t.Fatalf("%s: %v", actor, err)
	}
	return seq
}

func (l *log) submit(cmd events.Command) (proto.Seq, error) {
	if create, ok := cmd.Action.(events.Create); ok && create.UID == "" {
		create.UID = l.uid()
		cmd.Action = create
	}
	d, err := events.Decide(l.table, l.now(), cmd, l.clock())
	if err != nil || len(d.Events) == 0 {
		return 0, err
	}
	env := &proto.Envelope{
		Seq: proto.Seq(len(l.all) + 1), At: l.clock(), Actor: cmd.Actor, Verb: d.Verb, Cause: cmd.Cause, Via: cmd.Via, Events: d.Events,
	}
	l.all = append(l.all, env)
	for i := range env.Events {
		ev := &env.Events[i]
		var before *events.Record
		if of := l.versions[ev.Key]; len(of) > 0 {
			before = of[len(of)-1]
		}
		if after := events.Apply(before, ev, env.Seq, env.At); after != before {
			l.versions[ev.Key] = append(l.versions[ev.Key], after)
		}
	}
	return env.Seq, nil
}

func (l *log) now() view { return view{l, proto.Seq(len(l.all))} }

// At implements undo.Past.
func (l *log) At(seq proto.Seq) (events.View, error) { return view{l, seq}, nil }

// Envelope implements undo.Past.
func (l *log) Envelope(seq proto.Seq) (*proto.Envelope, error) { return l.all[seq-1], nil }

// Version implements undo.Past.
func (l *log) Version(key proto.ObjectKey, last proto.Seq) (*events.Record, error) {
	for _, r := range slices.Backward(l.versions[key]) {
		if r.Seq <= last {
			return r, nil
		}
	}
	return nil, nil
}

func (l *log) planner() undo.Planner {
	return undo.Planner{Table: l.table, Now: l.now(), Past: l, At: l.clock()}
}

// undo plans, carries out, and checks that nothing is left to plan.
func (l *log) undo(force bool, seqs ...proto.Seq) (*undo.Plan, proto.Seq) {
	l.t.Helper()
	plan := l.planUndo(force, seqs...)
	done := l.carryOut(plan, seqs[0])
	if again := l.planUndo(force, seqs...); !again.Empty() {
		l.t.Errorf("undo %v again: %s", seqs, describe(again))
	}
	return plan, done
}

func (l *log) planUndo(force bool, seqs ...proto.Seq) *undo.Plan {
	l.t.Helper()
	plan, err := l.planner().Undo(seqs, force)
	if err != nil {
		l.t.Fatalf("undo %v: %v", seqs, err)
	}
	same, err := l.planner().Undo(seqs, force)
	if err != nil || same.Digest != plan.Digest || describe(same) != describe(plan) {
		l.t.Errorf("planned twice:\n%s\n%s (%v)", describe(plan), describe(same), err)
	}
	return plan
}

func (l *log) carryOut(plan *undo.Plan, cause proto.Seq) proto.Seq {
	l.t.Helper()
	if plan.Refused != "" {
		l.t.Fatalf("refused: %s", plan.Refused)
	}
	for _, batch := range plan.Actions(l.uid) {
		l.because(ada, cause, batch)
	}
	return proto.Seq(len(l.all))
}

func (l *log) restore(key proto.ObjectKey, at proto.Seq, prune bool) *undo.Plan {
	l.t.Helper()
	plan := func() *undo.Plan {
		plan, err := l.planner().Restore(key, at, prune)
		if err != nil {
			l.t.Fatalf("restore %s: %v", key, err)
		}
		return plan
	}
	first := plan()
	l.carryOut(first, at)
	if again := plan(); !again.Empty() {
		l.t.Errorf("restore %s again: %s", key, describe(again))
	}
	return first
}

func (l *log) get(key proto.ObjectKey) events.Object {
	obj, err := l.now().Get(key)
	if err != nil {
		l.t.Fatal(err)
	}
	return obj
}

// describe is a plan in a few lines.
func describe(p *undo.Plan) (out string) {
	for _, s := range p.Steps {
		out += fmt.Sprintf("%s %s/%s", s.Verb, s.Object.Resource, s.Object.Name)
		if s.Verb == "update" {
			out += show(s.Changes)
		}
		out += "\n"
	}
	for _, c := range p.Conflicts {
		out += fmt.Sprintf("conflict %s/%s %s %s now %s", c.Object.Resource, c.Object.Name, c.Path, c.Old, c.Now)
		if c.By != nil {
			out += fmt.Sprintf(" by %s at %s", c.By.Actor, c.By.Seq)
		}
		if c.Forced {
			out += " forced"
		}
		out += "\n"
	}
	for _, n := range p.Left {
		out += fmt.Sprintf("left %s/%s: %s\n", n.Object.Resource, n.Object.Name, n.Text)
	}
	for _, n := range p.Already {
		if n.Object != nil {
			out += fmt.Sprintf("already %s/%s: ", n.Object.Resource, n.Object.Name)
		}
		out += n.Text + "\n"
	}
	if p.Refused != "" {
		out += "refused: " + p.Refused + "\n"
	}
	return out
}

func show(changes []fields.Change) (out string) {
	for _, c := range changes {
		out += fmt.Sprintf(" %s:%s→%s", c.Path, c.Old, c.New)
	}
	return out
}

// view is the log's state at a sequence.
type view struct {
	l   *log
	seq proto.Seq
}

func (v view) Seq() proto.Seq { return v.seq }

func (v view) Get(key proto.ObjectKey) (events.Object, error) {
	r, err := v.l.Version(key, v.seq)
	if err != nil || r == nil || r.Deleted {
		return nil, err
	}
	return v.l.table.Decode(r)
}

func (v view) List(query events.Query) (page events.Page, err error) {
	kind := v.l.table.Of(query.Resource)
	for key := range v.l.versions {
		if key.Resource != query.Resource {
			continue
		}
		obj, err := v.Get(key)
		if err != nil {
			return page, err
		}
		if obj != nil && query.Matches(kind, obj) {
			page.Items = append(page.Items, obj)
		}
	}
	slices.SortFunc(page.Items, func(a, b events.Object) int { return events.CompareKeys(kind.KeyOf(a), kind.KeyOf(b)) })
	return page, nil
}
