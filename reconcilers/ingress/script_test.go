package ingress_test

import (
	"testing"

	"segno/reconcilers"
	"segno/reconcilers/ingress"
	"segno/reconcilers/internal/world"
)

func TestS9IngressScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler { return []reconcilers.Reconciler{ingress.New()} })
}
