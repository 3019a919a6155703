package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/events"
	"segno/events/report"
	"segno/proto"
	"segno/reconcilers"
)

// Notes are kept for thirty days; they are looked at once an hour.
const (
	notesKept   = 30 * 24 * time.Hour
	notesLooked = time.Hour
)

// dropNotes forgets notes that are old enough, until ctx ends.
func (c *Cluster) dropNotes(ctx context.Context) error {
	tick := time.NewTicker(notesLooked)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := c.ledgers[proto.StreamNotes].fold.DropOlder(now.Add(-notesKept)); err != nil {
				return fmt.Errorf("drop old notes: %w", err)
			}
		}
	}
}

// tellNotes writes what a node says about its own, as the reconcilers' notes
// are written. It decides again when a namespace goes meanwhile, or somebody
// removes the note that is to be counted up.
func (c *Cluster) tellNotes(ctx context.Context, node proto.NodeName, said []report.Note) error {
	notes := reconcilers.NodeNotes(string(node), said)
	const tries = 3
	for try := 1; ; try++ {
		actions, err := reconcilers.Tell(c.View(), notes, time.Now())
		if err != nil || len(actions) == 0 {
			return err
		}
		_, err = c.Submit(ctx, events.Command{
			Actor: proto.NodeActor(node), Via: "node agent", Manager: "segno-agent", Action: events.Batch(actions),
		})
		var status apierrors.APIStatus
		if err == nil || try == tries || !errors.As(err, &status) {
			return err
		}
	}
}
