package reconcilers_test

import (
	"testing"
	"time"

	"segno/events/kinds"
	"segno/reconcilers"
	"segno/reconcilers/deployment"
	"segno/reconcilers/endpoints"
	"segno/reconcilers/garbage"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/namespace"
	"segno/reconcilers/nodelife"
	"segno/reconcilers/replicaset"
	"segno/reconcilers/scheduler"
)

// All control loops together on one world: from a person's apply to pods that
// run, through a rolling update, scaling, an undo, the loss of a node, and the end
// of it all. The golden files are the whole flow of commands, each with its cause.
func TestN6AllLoopsTogether(t *testing.T) {
	world.Run(t, "all-*.txtar", func() []reconcilers.Reconciler {
		table := kinds.Table()
		nodes, err := nodelife.New(nodelife.Config{Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return []reconcilers.Reconciler{
			namespace.New(table), deployment.New(), replicaset.New(), scheduler.New(),
			endpoints.New(), garbage.New(table), nodes,
		}
	})
}
