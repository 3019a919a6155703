package garbage_test

import (
	"testing"

	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/garbage"
	"segno/reconcilers/internal/world"
)

func TestO7GarbageScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{garbage.New(kinds.Table())}
	})
}
