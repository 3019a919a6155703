package api

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

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

// logBegins is the time of the log's first transaction.
func (c *call) logBegins() (at time.Time, ok bool) {
	_, at, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), Moment{Seq: 1})
	return at, err == nil
}

// askable prints when a log begins in whole seconds, so that it may be asked for.
func askable(begin time.Time) string {
	return begin.Add(time.Second - 1).Truncate(time.Second).UTC().Format(time.RFC3339)
}

// warnEarly says when the log begins, where somebody asks for a time before it:
// the answer is empty then, and not because nothing was there.
func (c *call) warnEarly(at time.Time) {
	if begin, ok := c.logBegins(); ok && at.Before(begin) {
		c.warn("the log begins at " + askable(begin) + ", after the moment that is asked for")
	}
}

// beforeLog refuses a moment that the log does not reach back to: it says when the
// log begins.
func (c *call) beforeLog(moment string) error {
	begin, ok := c.logBegins()
	if !ok {
		return badRequest("moment %q: lies before the log begins", moment)
	}
	return badRequest("moment %q: lies before the log begins, at %s (sequence 1)", moment, askable(begin))
}

// notThere is that an object did not exist at the moment that is looked at.
func (c *call) notThere(kind *events.Kind, key proto.ObjectKey) error {
	if c.past != nil {
		seq, at, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), *c.past)
		if err != nil {
			return err
		}
		if seq == 0 {
			return c.beforeLog(at.UTC().Format(time.RFC3339))
		}
	}
	return apierrors.NewNotFound(kind.GroupResource(), key.Name)
}
