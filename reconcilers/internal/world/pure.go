package world

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"segno/events"
	"segno/reconcilers"
)

// pure has a reconciler decide everything twice, and fails the test when the
// decisions differ or when it has written to an object of the view.
type pure struct {
	reconcilers.Reconciler
	t testing.TB
}

// refusing is pure for a reconciler that has something to say to refusals. What
// it says once it does not say again: that, too, has a fixed point.
type refusing struct {
	pure
	refuser reconcilers.Refuser
}

func checked(t testing.TB, r reconcilers.Reconciler) reconcilers.Reconciler {
	p := pure{Reconciler: r, t: t}
	if refuser, ok := r.(reconcilers.Refuser); ok {
		return refusing{pure: p, refuser: refuser}
	}
	return p
}

func (p pure) Reconcile(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error) {
	return p.twice(view, key, func() (reconcilers.Decision, error) { return p.Reconciler.Reconcile(view, key, at) })
}

func (r refusing) Refused(view events.View, key reconcilers.Key, refusals []reconcilers.Refusal, at time.Time) (reconcilers.Decision, error) {
	decision, err := r.twice(view, key, func() (reconcilers.Decision, error) { return r.refuser.Refused(view, key, refusals, at) })
	if err != nil {
		return decision, err
	}
	after := r.carriedOut(view, decision, at)
	again, err := r.refuser.Refused(after, key, refusals, at)
	if err != nil || len(again.Commands) > 0 {
		r.t.Errorf("%s has more to say to the same refusals about %s: %+v, %v", r.Name(), key, again.Commands, err)
	}
	return decision, nil
}

// carriedOut is the view after a decision's commands. One that is not accepted is
// left out.
func (p pure) carriedOut(view events.View, decision reconcilers.Decision, at time.Time) events.View {
	table := view.(*View).table
	after := events.NewOverlay(table, view)
	for _, cmd := range decision.Commands {
		if done, err := events.Decide(table, after, cmd.Command, at); err == nil {
			after.Push(after.Seq()+1, done)
		}
	}
	return after
}

// twice has something decided twice.
func (p pure) twice(view events.View, key reconcilers.Key, decide func() (reconcilers.Decision, error)) (reconcilers.Decision, error) {
	before := p.sum(view)
	first, err := decide()
	second, err2 := decide()
	if err == nil && err2 == nil && !reflect.DeepEqual(first, second) {
		p.t.Errorf("%s decides differently about %s on the same view at the same time:\n%+v\n%+v", p.Name(), key, first, second)
	}
	if p.sum(view) != before {
		p.t.Errorf("%s has written to an object of the view while looking at %s", p.Name(), key)
	}
	return first, err
}

// sum is a hash over all objects of a view.
func (p pure) sum(view events.View) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, kind := range view.(*View).table.All() {
		page, err := view.List(events.Query{Resource: kind.Resource})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, obj := range page.Items {
			data, err := json.Marshal(obj)
			if err != nil {
				p.t.Fatal(err)
			}
			all.Write(data)
		}
	}
	all.Sum(sum[:0])
	return sum
}
