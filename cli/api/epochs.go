package api

import (
	"context"
	"net/http"

	"segno/cli/api/history"
)

// Epochs is the log as its streams.
type Epochs interface {
	// Epochs answers them, oldest first.
	Epochs(ctx context.Context) (history.Epochs, error)
	// Roll seals the newest one and begins the next.
	Roll(ctx context.Context) error
}

// epochs lists the epochs; with POST the log begins a new one first.
func (c *call) epochs() error {
	if c.api.cfg.Epochs == nil {
		return notKept()
	}
	if c.r.Method == http.MethodPost {
		if err := c.api.cfg.Epochs.Roll(c.r.Context()); err != nil {
			return err
		}
	}
	list, err := c.api.cfg.Epochs.Epochs(c.r.Context())
	if err != nil {
		return err
	}
	return c.sendJSON(list)
}
