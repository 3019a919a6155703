package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
)

func TestU4ReadyIsSaidOnceTheNodesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var c *Cluster
		told := 0
		cfg := Config{Nodes: 20, Ready: func(info Info) {
			told++
			nodes, err := events.ListAs[*corev1.Node](c.View(), events.Query{Resource: nodeResource})
			if err != nil || len(nodes) != len(info.Nodes) || len(nodes) != 20 {
				t.Errorf("told of %d nodes, there are %d, %v", len(info.Nodes), len(nodes), err)
			}
			for _, node := range nodes {
				if !nodeReady(node) || len(node.Spec.Taints) > 0 {
					t.Errorf("node %s: ready %t, taints %v", node.Name, nodeReady(node), node.Spec.Taints)
				}
			}
			cancel()
		}}
		var err error
		if c, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		if err := c.Run(ctx); err != nil || told != 1 {
			t.Errorf("ended with %v, told %d times", err, told)
		}
	})
}

func TestU4ANodeThatIsNotReadyHoldsUpAStartForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorld(t, Config{Nodes: 2})
		w.cluster.nodes = append(w.cluster.nodes, &node{name: "never"})
		began := time.Now()
		if err := w.cluster.awaitNodes(w.ctx); err != nil || time.Since(began) != nodesPatience {
			t.Errorf("waited %s, %v", time.Since(began), err)
		}
	})
}
