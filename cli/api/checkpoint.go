package api

import (
	"context"
	"time"

	"segno/cli/api/history"
	"segno/proto"
)

// Checkpoints are signed statements of what the log is.
type Checkpoints interface {
	// Checkpoint signs what the log was at a sequence; 0 is its newest.
	Checkpoint(ctx context.Context, at proto.Seq) ([]byte, error)
	// Checkpoints answers those that were kept.
	Checkpoints(ctx context.Context) (history.Checkpoints, error)
}

// checkpoint answers a fresh signed note.
func (c *call) checkpoint() error {
	if c.api.cfg.Checkpoints == nil {
		return notKept()
	}
	at, _, err := c.momentOfLog()
	if err != nil {
		return err
	}
	if c.past != nil && at == 0 {
		return badRequest("nothing had happened by then: there is no transaction to sign")
	}
	note, err := c.api.cfg.Checkpoints.Checkpoint(c.r.Context(), at)
	if err != nil {
		return err
	}
	return c.sendText(string(note))
}

// checkpoints answers the newest of those that were kept, oldest first.
func (c *call) checkpoints() error {
	if c.api.cfg.Checkpoints == nil {
		return notKept()
	}
	limit, err := c.number("limit", 0)
	if err != nil {
		return err
	}
	list, err := c.api.cfg.Checkpoints.Checkpoints(c.r.Context())
	if err != nil {
		return err
	}
	if n := len(list.Checkpoints); limit > 0 && n > limit {
		list.Checkpoints = list.Checkpoints[n-limit:]
	}
	return c.sendJSON(list)
}

// momentOfLog is the moment of the path as a sequence of EVENTS; 0 without one.
func (c *call) momentOfLog() (proto.Seq, time.Time, error) {
	if c.past == nil {
		return 0, time.Time{}, nil
	}
	return c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), *c.past)
}
