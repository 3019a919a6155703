package replicaset_test

import (
	"testing"

	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/replicaset"
)

func TestW1ReplicaSetScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{replicaset.New()}
	})
}
