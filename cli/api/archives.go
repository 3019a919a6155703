package api

import (
	"context"

	"segno/cli/api/history"
)

// Archives is where old epochs of the log are.
type Archives interface {
	// Archives answers them, oldest first.
	Archives(ctx context.Context) (history.Archives, error)
}

func (c *call) archives() error {
	if c.api.cfg.Archives == nil {
		return notKept()
	}
	list, err := c.api.cfg.Archives.Archives(c.r.Context())
	if err != nil {
		return err
	}
	return c.sendJSON(list)
}
