package cluster

import (
	"context"
	"fmt"
	"time"

	"segno/proto"
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
