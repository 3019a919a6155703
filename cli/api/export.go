package api

import (
	"context"
	"io"
	"mime"
	"time"

	"segno/events"
	"segno/proto"
)

// typeArchive is the content type of an archive.
const typeArchive = "application/vnd.segno.archive"

// Exporter writes spans of the logs as archives: see package cli/archive.
type Exporter interface {
	// Export writes the transactions of EVENTS in the span, the state before them,
	// and the other logs of the same time.
	Export(ctx context.Context, w io.Writer, span Span) error
}

// Span is a part of the logs.
type Span struct {
	From, To proto.Seq // of EVENTS, both included
	// Until is the time up to which the file is to tell; zero is that of To, or
	// now, where To is the newest transaction.
	Until time.Time
	// Secrets keeps the values of Secrets; otherwise they are taken out.
	Secrets bool
}

// export answers a span of the log as a file, to those who may list all that is in
// it.
func (c *call) export() error {
	if c.api.cfg.Exporter == nil {
		return notServed()
	}
	secrets := flag(c.r.URL.Query().Get("secrets"))
	err := c.mayListAll(func(kind *events.Kind) bool { return secrets || !proto.Secret(kind.Resource) })
	if err != nil {
		return err
	}
	for _, bound := range []string{"from", "to"} {
		if text := c.r.URL.Query().Get(bound); text != "" {
			if _, err := ParseMoment(text, c.api.cfg.Now()); err != nil {
				return err
			}
		}
	}
	from, to, err := c.span(proto.StreamEvents, false)
	if err != nil {
		return err
	}
	kind := c.kindIn(proto.StreamEvents)
	newest := c.api.cfg.Store.View(kind).Seq()
	if c.api.cfg.Past != nil {
		from = max(from, c.api.cfg.Past.First(proto.StreamEvents))
	}
	if to = min(to, newest); from > to {
		return badRequest("from %s to %s: nothing happened between them (the log ends at %s)", from, to, newest)
	}
	name := "segno-" + from.String() + "-" + to.String() + ".segno"
	c.w.Header().Set("Content-Type", typeArchive)
	c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	span := Span{From: from, To: to, Secrets: secrets}
	if moment, err := ParseMoment(c.r.URL.Query().Get("to"), c.api.cfg.Now()); err == nil {
		span.Until = moment.Time
	}
	return c.api.cfg.Exporter.Export(c.r.Context(), pieces{c.openStream()}, span)
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
