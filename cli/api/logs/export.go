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
func (l *Logs) Export(ctx context.Context, w io.Writer, from, to proto.Seq, secrets bool) error {
	spans, err := l.spans(from, to)
	if err != nil {
		return status(err)
	}
	return status(archive.Write(ctx, w, archive.Config{
		Cluster: l.name, Made: time.Now(), Table: l.table, Spans: spans, Secrets: secrets,
	}))
}

// spans are the transactions of EVENTS, the notes of the same time, and the
// leases as they were at its end: their past is not kept.
func (l *Logs) spans(from, to proto.Seq) ([]archive.Span, error) {
	truth := l.logs[proto.StreamEvents].Fold
	from = max(from, truth.First())
	spans := []archive.Span{{Stream: proto.StreamEvents, Fold: truth, From: from, To: to}}
	end, err := truth.TimeOf(to)
	if err != nil {
		return nil, err
	}
	var start time.Time
	if from > 1 {
		if start, err = truth.TimeOf(from - 1); err != nil {
			return nil, err
		}
	}
	if to == truth.Position().Seq {
		end = time.Now() // what was said of it since belongs to it
	}
	for _, stream := range []string{proto.StreamNotes, proto.StreamLeases} {
		fold := l.logs[stream].Fold
		if fold == nil {
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
