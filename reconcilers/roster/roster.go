// Package roster lists the control loops of a cluster: whatever runs one, a real
// control plane or a sandbox, runs all of them.
//
// What comes in: the table of kinds, and how patient the node controller is. What
// goes out: reconcilers, always in the same order. What never happens here: a loop.
//
// All of it is in this file.
package roster

import (
	"time"

	"segno/events"
	"segno/reconcilers"
	"segno/reconcilers/allocation"
	"segno/reconcilers/deployment"
	"segno/reconcilers/endpoints"
	"segno/reconcilers/garbage"
	"segno/reconcilers/ingress"
	"segno/reconcilers/loadbalancer"
	"segno/reconcilers/namespace"
	"segno/reconcilers/nodelife"
	"segno/reconcilers/replicaset"
	"segno/reconcilers/scheduler"
	"segno/reconcilers/standing"
)

// Config says for which cluster.
type Config struct {
	Table *events.Table
	Since time.Time     // when the control plane started
	Grace time.Duration // how long a node may be silent; 0 is the default
}

// New makes every reconciler, and answers that of the nodes once more: it also
// settles what nodes say.
func New(cfg Config) (all []reconcilers.Reconciler, life *nodelife.Reconciler, err error) {
	if life, err = nodelife.New(nodelife.Config{Since: cfg.Since, Grace: cfg.Grace}); err != nil {
		return nil, nil, err
	}
	return []reconcilers.Reconciler{
		namespace.New(cfg.Table), garbage.New(cfg.Table), deployment.New(), replicaset.New(),
		scheduler.New(), endpoints.New(), allocation.New(), loadbalancer.New(), ingress.New(), standing.New(), life,
	}, life, nil
}
