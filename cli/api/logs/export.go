package logs

import (
	"context"
	"io"
	"time"

	"segno/cli/api"
	"segno/cli/archive"
	"segno/proto"
)

var _ api.Exporter = (*Logs)(nil)

// Export implements api.Exporter.
func (l *Logs) Export(ctx context.Context, w io.Writer, span api.Span) error {
	until, err := l.until(span)
	if err != nil {
		return status(err)
	}
	spans, err := l.spans(span.From, span.To, until)
	if err != nil {
		return status(err)
	}
	return status(archive.Write(ctx, w, archive.Config{
		Cluster: l.name, Made: time.Now(), Table: l.table, Spans: spans, Until: until, Secrets: span.Secrets, Redacted: l.redacted,
	}))
}

// until is the time up to which a span tells: what was said of its newest
// transaction since belongs to it.
func (l *Logs) until(span api.Span) (time.Time, error) {
	now := l.now()
	switch newest := l.lines[proto.StreamEvents].Position().Seq; {
	case !span.Until.IsZero() && span.Until.Before(now):
		return span.Until, nil
	case span.To == newest:
		return now, nil
	}
	return l.lines[proto.StreamEvents].TimeOf(span.To)
}

// spans are the transactions of EVENTS, the notes of the same time, and the
// leases as they were at its end: their past is not kept.
func (l *Logs) spans(from, to proto.Seq, end time.Time) ([]archive.Span, error) {
	truth := l.lines[proto.StreamEvents]
	from = max(from, truth.First())
	spans := []archive.Span{{Stream: proto.StreamEvents, Fold: truth, From: from, To: to}}
	var start time.Time
	if from > 1 {
		var err error
		if start, err = truth.TimeOf(from - 1); err != nil {
			return nil, err
		}
	}
	for _, stream := range []string{proto.StreamNotes, proto.StreamLeases} {
		fold := l.lines[stream]
		if fold.Projection == nil {
			continue
		}
		last, err := fold.SeqAt(end)
		if err != nil {
			return nil, err
		}
		first := last + 1
		if stream == proto.StreamNotes {
			before, err := fold.SeqAt(start)
			if err != nil {
				return nil, err
			}
			first = before + 1
		}
		spans = append(spans, archive.Span{Stream: stream, Fold: fold, From: first, To: last})
	}
	return spans, nil
}

// leasesKept is how many transactions of the leases go into a backup, at most: far
// from the end of those that are kept, which moves on meanwhile.
const leasesKept = 256

// Beside is what lies in a backup beside the logs.
type Beside struct {
	Keys  bool // are among the files
	Files []archive.File
	Audit *archive.Audit
}

// Backup writes all logs, and what lies beside them. The small logs come first: what
// caused them lies before the end of EVENTS, which is looked at last.
func (l *Logs) Backup(ctx context.Context, w io.Writer, beside Beside) error {
	var spans []archive.Span
	for _, stream := range []string{proto.StreamLeases, proto.StreamNotes, proto.StreamEvents} {
		fold := l.logs[stream].Fold
		last, first := fold.Position().Seq, max(fold.First(), 1)
		if stream == proto.StreamLeases && last > leasesKept {
			first = max(first, last-leasesKept+1)
		}
		spans = append(spans, archive.Span{Stream: stream, Fold: fold, From: first, To: last})
	}
	return status(archive.Write(ctx, w, archive.Config{
		Cluster: l.name, Made: l.now(), Until: l.now(), Table: l.table, Spans: spans,
		Secrets: true, Redacted: l.redacted, Backup: true, Keys: beside.Keys, Files: beside.Files, Audit: beside.Audit,
	}))
}
