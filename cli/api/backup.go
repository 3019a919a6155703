package api

import (
	"context"
	"io"
	"mime"
	"time"
)

// Backuper writes a whole cluster as an archive: see package cli/archive.
type Backuper interface {
	// Backup writes all logs, and what else makes the cluster the same again. With
	// keys that is also what proves who it is, and who may do everything in it.
	Backup(ctx context.Context, w io.Writer, keys bool) error
}

// backup answers everything as a file: for those who may do everything anyway.
func (c *call) backup() error {
	switch {
	case c.api.cfg.Backuper == nil:
		return notKept()
	case c.past != nil:
		return badRequest("a backup is of all there is, now: it can be read as of any moment; for a part of it, export")
	case !c.user.listed(GroupMasters):
		return forbidden(c.user, c.target, "a backup holds the keys of the cluster, and is for "+GroupMasters)
	}
	name := "segno-" + c.api.cfg.Now().UTC().Format(time.DateOnly) + ".backup"
	c.w.Header().Set("Content-Type", typeArchive)
	c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	return c.api.cfg.Backuper.Backup(c.r.Context(), pieces{c.openStream()}, flag(c.r.URL.Query().Get("keys")))
}
