package archive

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"segno/cli/version"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

// Span is what of one log goes into a file: its transactions From to To, both
// included, and the state before From.
type Span struct {
	Stream   string
	Fold     Fold
	From, To proto.Seq
}

// Fold is a log as it can be written out: a projection, or more than one of which
// each goes on where the one before ends.
type Fold interface {
	TimeOf(seq proto.Seq) (time.Time, error)
	PositionAt(seq proto.Seq) (proto.Position, proto.Hash, error)
	Records(ctx context.Context, seq proto.Seq) iter.Seq2[*events.Record, error]
	Entries(ctx context.Context, from, to proto.Seq) iter.Seq2[projections.Recorded, error]
}

// Config says what a file is made of.
type Config struct {
	Cluster string
	Made    time.Time
	Table   *events.Table
	Spans   []Span // EVENTS first
	// Until is the time up to which the file tells; default that of the newest
	// transaction in it.
	Until time.Time
	// Secrets keeps the values of Secrets; otherwise they are taken out. Redacted
	// tells that they were taken out of the logs before.
	Secrets, Redacted bool
	// Backup and Keys say what the file is good for; Files lie in it beside the logs.
	Backup, Keys bool
	Files        []File
	// Audit is the record of requests; nil leaves it out.
	Audit *Audit
	// Progress is told how many transactions were written, of how many; may be nil.
	Progress func(done, total int)
}

// Write writes a file. After an error what was written is no archive, and
// readers say so.
func Write(ctx context.Context, w io.Writer, cfg Config) error {
	out, err := newFrames(w, cfg.mark())
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	wr := &writer{cfg: cfg, out: out}
	for _, span := range cfg.Spans {
		wr.total += int(span.To - min(span.From, span.To+1) + 1)
	}
	header, err := cfg.header()
	if err == nil {
		err = out.writeJSON(frameHeader, header)
	}
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	for _, file := range cfg.Files {
		if err := out.writeJSON(frameFile, file); err != nil {
			return fmt.Errorf("write %s to the archive: %w", file.Name, err)
		}
	}
	for _, span := range cfg.Spans {
		if err := wr.span(ctx, span); err != nil {
			return fmt.Errorf("write %s to the archive: %w", span.Stream, err)
		}
	}
	if err := wr.audit(); err != nil {
		return fmt.Errorf("write %s to the archive: %w", proto.StreamAudit, err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

// mark is what the file begins with.
func (cfg Config) mark() string {
	if cfg.Audit != nil {
		return markAudited
	}
	return mark
}

// header says what the file will hold.
func (cfg Config) header() (Header, error) {
	out := Header{Cluster: cfg.Cluster, Made: cfg.Made.UTC(), By: version.Version, Redacted: !cfg.Secrets || cfg.Redacted, Backup: cfg.Backup, Keys: cfg.Keys}
	if cfg.Audit != nil {
		out.Audit = &cfg.Audit.AuditBounds
	}
	for _, span := range cfg.Spans {
		if span.Stream != proto.StreamEvents {
			continue
		}
		out.From, out.To = span.From, span.To
		if span.To == 0 {
			continue
		}
		since, err := span.Fold.TimeOf(min(span.From, span.To))
		if err != nil {
			return out, err
		}
		end, _, err := span.Fold.PositionAt(span.To)
		if err != nil {
			return out, err
		}
		out.Since, out.Until, out.Hash = since, end.At, end.Hash.String()
	}
	if !cfg.Until.IsZero() {
		out.Until = cfg.Until.UTC()
	}
	return out, nil
}

type writer struct {
	cfg         Config
	out         *frames
	done, total int
}

func (w *writer) span(ctx context.Context, span Span) error {
	if span.From == 0 || span.From > span.To+1 {
		return fmt.Errorf("transactions %s to %s: are no span", span.From, span.To)
	}
	log, err := begin(span)
	if err != nil {
		return err
	}
	if err := w.out.writeJSON(frameLog, log); err != nil {
		return err
	}
	sum := Sum{Hash: log.Hash, State: log.State}
	for rec, err := range span.Fold.Records(ctx, log.Seq) {
		if err != nil {
			return err
		}
		if err := w.object(rec); err != nil {
			return err
		}
		sum.Objects++
	}
	for entry, err := range span.Fold.Entries(ctx, span.From, span.To) {
		if err != nil {
			return err
		}
		if err := w.transaction(entry); err != nil {
			return err
		}
		sum.Transactions++
		sum.Hash, sum.State = entry.Hash.String(), entry.State.String()
		if w.done++; w.cfg.Progress != nil && (w.done%1024 == 0 || w.done == w.total) {
			w.cfg.Progress(w.done, w.total)
		}
	}
	return w.out.writeJSON(frameSum, sum)
}

// begin says with what state a span begins.
func begin(span Span) (Log, error) {
	log := Log{Stream: span.Stream, Seq: span.From - 1, Last: span.To, Hash: proto.Hash{}.String(), State: proto.Hash{}.String()}
	if log.Seq == 0 {
		return log, nil
	}
	at, state, err := span.Fold.PositionAt(log.Seq)
	if err != nil {
		return log, err
	}
	log.Hash, log.Term, log.At, log.State = at.Hash.String(), at.Term, at.At, state.String()
	return log, nil
}

func (w *writer) object(rec *events.Record) error {
	if !w.cfg.Secrets {
		w.cfg.Table.RedactRecord(rec)
	}
	data, err := encodeObject(rec)
	if err != nil {
		return err
	}
	return w.out.write(frameObject, data)
}

func (w *writer) transaction(entry projections.Recorded) error {
	encoded := entry.Encoded
	if !w.cfg.Secrets && !entry.Redacted && w.cfg.Table.Redact(entry.Envelope) {
		encoded = proto.Encode(entry.Envelope)
	}
	return w.out.write(frameTransaction, entry.State[:], entry.Hash[:], encoded)
}
