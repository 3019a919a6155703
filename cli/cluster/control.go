package cluster

import (
	"context"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/events"
	"segno/projections"
	"segno/proto"
	"segno/reconcilers"
	"segno/reconcilers/roster"
)

// runControl starts the reconcilers and the control plane's side of the nodes.
func (c *Cluster) runControl(ctx context.Context, group *errgroup.Group) error {
	all, life, err := roster.New(roster.Config{Table: c.table, Since: time.Now(), Grace: c.cfg.NodeGrace})
	if err != nil {
		return err
	}
	for _, r := range all {
		loop, err := reconcilers.New(reconcilers.Config{
			Reconciler: r, Table: c.table, Feed: c.ledgers.events(), Views: c, Submit: c,
			Decode: c.ledgers.events().Object, Log: c.log,
		})
		if err != nil {
			return err
		}
		group.Go(func() error { return loop.Run(ctx) })
	}
	relay, err := bus.NewRelay(bus.RelayConfig{Conn: c.control, Events: objects{c.ledgers.events()}, Table: c.table, Log: c.log})
	if err != nil {
		return err
	}
	c.intake, err = bus.NewIntake(bus.IntakeConfig{
		Conn: c.control, Cluster: c, Relay: relay, Identities: c.server.Identities(),
		Settle: life.Settle, History: c.ledgers.events().Latest, Notes: c.tellNotes, Audit: c.audit, Log: c.log,
	})
	if err != nil {
		return err
	}
	joins, err := bus.NewJoins(bus.JoinsConfig{
		Conn: c.control, Identities: c.server.Identities(), Approve: c.approve, Audit: c.audit, Log: c.log,
	})
	if err != nil {
		return err
	}
	group.Go(func() error { return relay.Run(ctx) })
	group.Go(func() error { return c.intake.Run(ctx) })
	group.Go(func() error { return joins.Run(ctx) })
	group.Go(func() error { return c.followIdentities(ctx) })
	group.Go(func() error { return c.dropNotes(ctx) })
	group.Go(func() error { return c.keepEpochs(ctx) })
	group.Go(func() error { return c.forks.Run(ctx) })
	group.Go(func() error { return c.keepCheckpoints(ctx) })
	if err := relay.Ready(ctx); err != nil { // before nodes are run, which would find nobody
		return err
	}
	return c.intake.Ready(ctx)
}

// objects is a log as the relay follows it: what a transaction does to an object
// is one change.
type objects struct{ *projections.Projection }

// Watch implements bus.Follower.
func (o objects) Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error] {
	return o.WatchObjects(ctx, after, resources...)
}
