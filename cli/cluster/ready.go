package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// readiness is what /readyz answers.
type readiness struct{ up atomic.Bool }

func (r *readiness) set() { r.up.Store(true) }

func (r *readiness) check() error {
	if !r.up.Load() {
		return errors.New("the control plane is starting")
	}
	return nil
}

const (
	// nodesPatience is how long a start waits for its own nodes: one whose engine
	// has trouble must not hide that the API answers.
	nodesPatience = 5 * time.Second
	nodesLook     = 5 * time.Millisecond
)

// awaitNodes waits until the nodes of this process have registered and are
// ready. Whoever is told that the cluster is there can then run pods.
func (c *Cluster) awaitNodes(ctx context.Context) error {
	late := time.NewTimer(nodesPatience)
	defer late.Stop()
	look := time.NewTicker(nodesLook)
	defer look.Stop()
	for i := 0; i < len(c.nodes); {
		ready, err := c.isReady(c.nodes[i].name)
		if err != nil {
			return err
		}
		if ready {
			i++
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			c.log.Warn("not all nodes are ready yet", "ready", i, "of", len(c.nodes), "next", c.nodes[i].name)
			return nil
		case <-look.C:
		}
	}
	return nil
}

// isReady tells whether a node has said, since the start, that it is ready.
func (c *Cluster) isReady(name proto.NodeName) (bool, error) {
	if !c.intake.Registered(name) {
		return false, nil
	}
	node, found, err := events.GetAs[*corev1.Node](c.View(), nodeResource.Key("", string(name)))
	if err != nil {
		return false, fmt.Errorf("wait for node %s: %w", name, err)
	}
	return found && slices.ContainsFunc(node.Status.Conditions, func(is corev1.NodeCondition) bool {
		return is.Type == corev1.NodeReady && is.Status == corev1.ConditionTrue
	}), nil
}
