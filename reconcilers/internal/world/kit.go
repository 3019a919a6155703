package world

import (
	"context"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// Create makes an object as a person.
func (w *World) Create(t testing.TB, obj events.Object) {
	t.Helper()
	for _, kind := range w.Table.All() {
		if reflect.TypeOf(kind.New()) == reflect.TypeOf(obj) {
			key := kind.KeyOf(obj)
			w.Must(t, events.Create{Key: key, Object: obj, UID: w.uid(key)})
			return
		}
	}
	t.Fatalf("create %T: not in the table of kinds", obj)
}

// Delete ends an object at once, as a person.
func (w *World) Delete(t testing.TB, key proto.ObjectKey) {
	t.Helper()
	now := int64(0)
	w.Must(t, events.Delete{Key: key, Options: metav1.DeleteOptions{GracePeriodSeconds: &now}})
}

// SetStatus changes the status of an object.
func (w *World) SetStatus(t testing.TB, key proto.ObjectKey, change func(obj events.Object)) {
	t.Helper()
	w.update(t, key, events.SubStatus, change)
}

// Change changes what is wanted of an object, as a person.
func (w *World) Change(t testing.TB, key proto.ObjectKey, change func(obj events.Object)) {
	t.Helper()
	w.update(t, key, "", change)
}

func (w *World) update(t testing.TB, key proto.ObjectKey, sub string, change func(obj events.Object)) {
	t.Helper()
	obj, err := w.View().Get(key)
	if err != nil || obj == nil {
		t.Fatalf("read %s: %v", key, err)
	}
	obj = events.Copy(obj)
	change(obj)
	w.Must(t, events.Update{Key: key, Subresource: sub, Object: obj})
}

// Must submits an action as a person.
func (w *World) Must(t testing.TB, action events.Action) {
	t.Helper()
	if _, err := w.Submit(context.Background(), events.Command{Actor: "user:ada", Correlation: "test", Action: action}); err != nil {
		t.Fatal(err)
	}
}

func (w *World) uid(key proto.ObjectKey) types.UID {
	return reconcilers.UID("world", key, w.View().Seq())
}

// Loop makes a loop that sees what happens in the world from now on.
func (w *World) Loop(t testing.TB, r reconcilers.Reconciler) *reconcilers.Loop {
	t.Helper()
	loop, err := reconcilers.New(reconcilers.Config{Reconciler: r, Table: w.Table, Views: w, Submit: w, SideBySide: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.Observe(loop.Observe)
	return loop
}

// CatchUp lets a loop do all that is due, now or in a moment.
func (w *World) CatchUp(t testing.TB, loop *reconcilers.Loop) {
	t.Helper()
	for {
		if err := loop.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
		wait, ok := loop.Next()
		if !ok || wait > aMoment {
			return
		}
		time.Sleep(wait) // virtual
	}
}
