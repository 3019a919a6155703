package nodelife_test

import (
	"testing"
	"time"

	"segno/reconcilers"
	"segno/reconcilers/internal/world"
	"segno/reconcilers/nodelife"
)

func TestN3NodeLifeScripts(t *testing.T) {
	world.Run(t, "*.txtar", func() []reconcilers.Reconciler {
		r, err := nodelife.New(nodelife.Config{Since: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return []reconcilers.Reconciler{r}
	})
}

func TestN3SinceIsRequired(t *testing.T) {
	if _, err := nodelife.New(nodelife.Config{}); err == nil {
		t.Error("no error without Since: every node would count as silent at start")
	}
}
