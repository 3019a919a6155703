package loadbalancer_test

import (
	"testing"

	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/loadbalancer"
)

func TestS5LoadBalancerScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		return []reconcilers.Reconciler{loadbalancer.New()}
	})
}
