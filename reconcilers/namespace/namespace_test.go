package namespace_test

import (
	"context"
	"testing"
	"testing/synctest"

	"segno/events"
	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/namespace"
)

func TestO3NamespaceScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{namespace.New(kinds.Table())}
	})
}

func TestO3BootstrapMakesWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.New()
		for _, missing := range []int{4, 0, 1} {
			creations, err := namespace.Bootstrap(w.View())
			if err != nil || len(creations) != missing {
				t.Fatalf("with %d missing: makes %d, %v", missing, len(creations), err)
			}
			if missing > 0 {
				if _, err := w.Submit(context.Background(), events.Command{Actor: "system:bootstrap", Action: creations}); err != nil {
					t.Fatal(err)
				}
			}
			if missing == 0 {
				// The one that may be deleted: emptied, and its finalizer taken off.
				w.Delete(t, reconcilers.Namespaces.Key("", "kube-node-lease"))
				w.CatchUp(t, w.Loop(t, namespace.New(w.Table)))
			}
		}
		for _, name := range namespace.First {
			found, err := w.View().Get(reconcilers.Namespaces.Key("", name))
			if err != nil || found == nil {
				t.Errorf("%s: %v, %v", name, found, err)
			}
		}
	})
}
