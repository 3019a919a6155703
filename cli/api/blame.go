package api

import (
	"net/http"

	"segno/cli/api/history"
	origins "segno/cli/api/history/blame"
	"segno/proto"
)

// blame answers an object with who last set each of its fields.
func (c *call) blame() error {
	key, err := c.asked()
	if err != nil {
		return err
	}
	last, err := c.lastRevision()
	if err != nil {
		return err
	}
	at := func(last proto.Seq) (*history.Version, error) { return c.versionAt(c.kind, key, last) }
	newest, err := at(last)
	switch {
	case err != nil:
		return err
	case newest == nil:
		return c.notThere(c.kind, key)
	case newest.Record.Deleted:
		return statusText(http.StatusNotFound, "NotFound", "%s %q was deleted by transaction %s; ask as of a moment before it: --at %s",
			c.kind.GroupResource(), key.Name, newest.Record.Seq, newest.Record.Seq-1)
	}
	found, err := origins.Of(origins.Log{Table: c.api.cfg.Table, Version: at, Envelope: func(seq proto.Seq) (*proto.Envelope, error) {
		return c.api.cfg.History.Envelope(c.r.Context(), c.kind.Stream, seq)
	}}, *newest)
	if err != nil {
		return err
	}
	return c.sendJSON(found)
}
