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
	t *testing.T
}

// refusing is pure for a reconciler that has something to say to refusals.
type refusing struct {
	pure
	reconcilers.Refuser
}

func checked(t *testing.T, r reconcilers.Reconciler) reconcilers.Reconciler {
	p := pure{Reconciler: r, t: t}
	if refuser, ok := r.(reconcilers.Refuser); ok {
		return refusing{pure: p, Refuser: refuser}
	}
	return p
}

func (p pure) Reconcile(view events.View, key reconcilers.Key, at time.Time) (reconcilers.Decision, error) {
	before := p.sum(view)
	first, err := p.Reconciler.Reconcile(view, key, at)
	second, err2 := p.Reconciler.Reconcile(view, key, at)
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
