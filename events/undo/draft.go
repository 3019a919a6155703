package undo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

var (
	namespaces = proto.Resource{Name: "namespaces"}
	nodes      = proto.Resource{Name: "nodes"}
	pods       = proto.Resource{Name: "pods"}
	services   = proto.Resource{Name: "services"}
)

// planning is a plan in the making.
type planning struct {
	Planner
	force  bool
	undone map[proto.Seq]bool // the transactions that this plan takes back
	drafts map[proto.ObjectKey]*draft
	plan   *Plan
}

func newPlanning(p Planner, force bool) *planning {
	return &planning{
		Planner: p, force: force, undone: map[proto.Seq]bool{}, drafts: map[proto.ObjectKey]*draft{},
		plan: &Plan{Based: p.Now.Seq(), Steps: []Step{}},
	}
}

// draft is what becomes of one object, as far as the plan has got.
type draft struct {
	key  proto.ObjectKey
	kind *events.Kind
	now  events.Object  // nil when there is none
	is   map[string]any // its intent
	want map[string]any // what its intent becomes; nil when it goes
	// reborn tells that the plan makes the object anew.
	reborn bool
	// touched are the fields that an undone transaction changed.
	touched []string
}

// draft answers the draft of an object; nil for what this log is not the truth
// about.
func (p *planning) draft(key proto.ObjectKey) (*draft, error) {
	if d := p.drafts[key]; d != nil {
		return d, nil
	}
	kind := p.Table.Of(key.Resource)
	if kind == nil || kind.Stream != proto.StreamEvents {
		return nil, nil
	}
	now, err := p.Now.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	is, err := intent(kind, now)
	if err != nil {
		return nil, err
	}
	d := &draft{key: key, kind: kind, now: now, is: is, want: is}
	p.drafts[key] = d
	return d, nil
}

// conflict notes a field that was changed again since, and answers whether it is
// set all the same.
func (p *planning) conflict(key proto.ObjectKey, f fields.Field, by *Author) bool {
	if f.Path != quiet {
		p.plan.Conflicts = append(p.plan.Conflicts, Conflict{
			Object: proto.ObjectOf(key), Path: f.Path, Old: shown(f.Wanted), Now: shown(f.Now), By: by, Forced: p.force,
		})
	}
	return p.force
}

// object is conflict for an object as a whole.
func (p *planning) object(key proto.ObjectKey, by *Author) bool {
	p.plan.Conflicts = append(p.plan.Conflicts, Conflict{Object: proto.ObjectOf(key), By: by, Forced: p.force})
	return p.force
}

func shown(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil // what came out of JSON goes into it
	}
	return data
}

// left notes what stays as it is.
func (p *planning) left(key proto.ObjectKey, format string, args ...any) {
	p.plan.Left = append(p.plan.Left, noteOf(key, format, args...))
}

// lost notes what cannot come back.
func (p *planning) lost(key proto.ObjectKey, format string, args ...any) {
	p.plan.Lost = append(p.plan.Lost, noteOf(key, format, args...))
}

func noteOf(key proto.ObjectKey, format string, args ...any) Note {
	object := proto.ObjectOf(key)
	return Note{Object: &object, Text: fmt.Sprintf(format, args...)}
}

// finish makes the plan of the drafts.
func (p *planning) finish() (*Plan, error) {
	for _, d := range p.drafts {
		if err := p.step(d); err != nil {
			return nil, fmt.Errorf("plan %s: %w", d.key, err)
		}
	}
	plan := p.plan
	slices.SortFunc(plan.Steps, p.order)
	plan.Lost = slices.DeleteFunc(plan.Lost, func(n Note) bool {
		return n.Object.Key().Resource != nodes && !slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Object == *n.Object })
	})
	slices.SortStableFunc(plan.Conflicts, func(a, b Conflict) int {
		return strings.Compare(text(a.Object)+" "+a.Path, text(b.Object)+" "+b.Path)
	})
	for _, notes := range []*[]Note{&plan.Left, &plan.Lost} {
		slices.SortFunc(*notes, compareNotes)
		*notes = slices.CompactFunc(*notes, func(a, b Note) bool { return compareNotes(a, b) == 0 })
	}
	if err := p.already(); err != nil {
		return nil, err
	}
	if err := p.admit(); err != nil {
		return nil, err
	}
	return plan, plan.sign()
}

// step adds what becomes of an object, if anything does.
func (p *planning) step(d *draft) error {
	if d.now == nil && d.want == nil || d.now != nil && same(d.is, d.want) {
		return nil
	}
	s := Step{Object: proto.ObjectOf(d.key), Verb: events.VerbUpdate, kind: d.kind}
	if d.now != nil {
		s.UID, s.version = string(d.now.GetUID()), d.now.GetResourceVersion()
	}
	switch {
	case d.now == nil:
		s.Verb = events.VerbCreate
	case d.want == nil:
		s.Verb = events.VerbDelete
	}
	if d.want != nil {
		var err error
		if s.object, err = realize(d.kind, d.want); err != nil {
			return err
		}
		if s.Changes, err = fields.Compare(d.is, d.want); err != nil {
			return err
		}
	}
	p.plan.Steps = append(p.plan.Steps, s)
	return p.losses(d, s.Changes)
}

func same(a, b map[string]any) bool {
	if b == nil {
		return false
	}
	return string(shown(a)) == string(shown(b))
}

// order is that in which steps work: room is made first, namespaces come before
// what is in them, and pods after what they mount.
func (p *planning) order(a, b Step) int {
	if c := p.rank(a) - p.rank(b); c != 0 {
		return c
	}
	return strings.Compare(text(a.Object), text(b.Object))
}

func (p *planning) rank(s Step) int {
	of := s.Object.Key().Resource
	switch {
	case of == namespaces && s.Verb != events.VerbDelete:
		return 0
	case s.Verb == events.VerbDelete && of != namespaces:
		return 1
	case of == namespaces:
		return 5
	case s.Verb == events.VerbUpdate:
		return 2
	case of == pods || of.Group == "apps":
		return 4
	default:
		return 3
	}
}

func text(o proto.Object) string { return o.Key().String() }

func compareNotes(a, b Note) int {
	var x, y string
	if a.Object != nil {
		x = text(*a.Object)
	}
	if b.Object != nil {
		y = text(*b.Object)
	}
	return strings.Compare(x+" "+a.Text, y+" "+b.Text)
}

// controller is who manages an object, in words; "" when nobody does.
func controller(obj events.Object) string {
	ref := metav1.GetControllerOf(obj)
	if ref == nil {
		return ""
	}
	return strings.ToLower(ref.Kind) + "/" + ref.Name
}
