package allocation_test

import (
	"testing"

	"segno/reconcilers"
	"segno/reconcilers/allocation"
	"segno/reconcilers/internal/world"
)

// TestS1AllocationScripts: what a Service holds outside the ranges is said of it
// until it is so no more.
func TestS1AllocationScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler { return []reconcilers.Reconciler{allocation.New()} })
}
