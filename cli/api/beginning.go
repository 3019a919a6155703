package api

import (
	"context"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// Beginnings is what logs begin with whose own beginning lies elsewhere: in a
// longer log that they are a part of, or in one that was dropped.
type Beginnings interface {
	// Beginning is an object as it was before the first transaction of its log; nil
	// when there was none.
	Beginning(ctx context.Context, kind *events.Kind, key proto.ObjectKey) (*events.Record, error)
}

// beginning is an object as its log began with it, if it did.
func (c *call) beginning(kind *events.Kind, key proto.ObjectKey) (*events.Record, error) {
	if c.api.cfg.Beginnings == nil {
		return nil, nil
	}
	return c.api.cfg.Beginnings.Beginning(c.r.Context(), kind, key)
}

// earlier says when an object changed last before its log begins.
func earlier(rec *events.Record) *history.Earlier {
	if rec == nil {
		return nil
	}
	return &history.Earlier{Seq: rec.Seq, Time: rec.At}
}
