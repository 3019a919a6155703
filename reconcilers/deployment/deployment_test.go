package deployment_test

import (
	"testing"

	"segno/reconcilers"
	"segno/reconcilers/deployment"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/replicaset"
)

// The ReplicaSets of the scripts have their own reconciler behind them, so that
// a rollout meets what it would meet in a cluster.
func loops() []reconcilers.Reconciler {
	return []reconcilers.Reconciler{deployment.New(), replicaset.New()}
}

func TestW2DeploymentScripts(t *testing.T) { world.Run(t, "w2-*.txtar", loops) }

func TestW3RevisionScripts(t *testing.T) { world.Run(t, "w3-*.txtar", loops) }

func TestW4ScalingScripts(t *testing.T) { world.Run(t, "w4-*.txtar", loops) }
