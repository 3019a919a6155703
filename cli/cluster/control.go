package cluster

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/reconcilers"
	"segno/reconcilers/deployment"
	"segno/reconcilers/endpoints"
	"segno/reconcilers/garbage"
	"segno/reconcilers/namespace"
	"segno/reconcilers/nodelife"
	"segno/reconcilers/replicaset"
	"segno/reconcilers/scheduler"
)

// runControl starts the reconcilers and the control plane's side of the nodes.
func (c *Cluster) runControl(ctx context.Context, group *errgroup.Group) error {
	life, err := nodelife.New(nodelife.Config{Since: time.Now(), Grace: c.cfg.NodeGrace})
	if err != nil {
		return err
	}
	for _, r := range []reconcilers.Reconciler{
		namespace.New(c.table), garbage.New(c.table), deployment.New(), replicaset.New(),
		scheduler.New(), endpoints.New(), life,
	} {
		loop, err := reconcilers.New(reconcilers.Config{
			Reconciler: r, Table: c.table, Feed: c.ledgers.events(), Views: c, Submit: c,
			Decode: c.ledgers.events().Object, Log: c.log,
		})
		if err != nil {
			return err
		}
		group.Go(func() error { return loop.Run(ctx) })
	}
	relay, err := bus.NewRelay(bus.RelayConfig{Conn: c.control, Events: c.ledgers.events(), Table: c.table, Log: c.log})
	if err != nil {
		return err
	}
	intake, err := bus.NewIntake(bus.IntakeConfig{
		Conn: c.control, Cluster: c, Relay: relay, Identities: c.server.Identities(), Log: c.log,
	})
	if err != nil {
		return err
	}
	joins, err := bus.NewJoins(bus.JoinsConfig{
		Conn: c.control, Identities: c.server.Identities(), Approve: c.approve, Log: c.log,
	})
	if err != nil {
		return err
	}
	group.Go(func() error { return relay.Run(ctx) })
	group.Go(func() error { return intake.Run(ctx) })
	group.Go(func() error { return joins.Run(ctx) })
	group.Go(func() error { return c.followIdentities(ctx) })
	group.Go(func() error { return c.dropNotes(ctx) })
	return nil
}
