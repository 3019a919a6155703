package api

import (
	"context"
	"io"
	"mime"

	"segno/proto"
)

// typeArchive is the content type of an archive.
const typeArchive = "application/vnd.segno.archive"

// Exporter writes spans of the logs as archives: see package cli/archive.
type Exporter interface {
	// Export writes the transactions of EVENTS from and to, both included, the
	// state before them, and the other logs of the same time. Without secrets the
	// values of Secrets are taken out.
	Export(ctx context.Context, w io.Writer, from, to proto.Seq, secrets bool) error
}

// export answers a span of the log as a file.
func (c *call) export() error {
	if c.api.cfg.Exporter == nil {
		return notServed()
	}
	from, to, err := c.span(proto.StreamEvents, false)
	if err != nil {
		return err
	}
	newest := c.api.cfg.Store.View(c.kindIn(proto.StreamEvents)).Seq()
	if to = min(to, newest); from > to {
		return badRequest("from %s to %s: nothing happened between them (the log ends at %s)", from, to, newest)
	}
	name := "segno-" + from.String() + "-" + to.String() + ".segno"
	c.w.Header().Set("Content-Type", typeArchive)
	c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	return c.api.cfg.Exporter.Export(c.r.Context(), pieces{c.openStream()}, from, to, flag(c.r.URL.Query().Get("secrets")))
}

// pieces sends every piece as soon as it is there: a client that takes them one
// after the other, however slowly, keeps up.
type pieces struct{ *stream }

// Write implements io.Writer.
func (p pieces) Write(data []byte) (int, error) {
	if err := p.write(data); err != nil {
		return 0, err
	}
	return len(data), p.flush()
}
