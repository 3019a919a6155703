package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestW2DeploymentComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 3})
		w.create(web(3, "nginx:1.7.9"))
		w.within(30*time.Second, "three pods are ready", func() bool { return ready(w.pods(), "") == 3 && len(w.pods()) == 3 })
	})
}
