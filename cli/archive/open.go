package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"segno/events"
	"segno/projections"
	"segno/proto"
)

// Archive is a file, folded: its logs can be read at any moment from their start
// on.
type Archive struct {
	Header Header
	Logs   map[string]*projections.Projection // by stream
	Starts map[string]Log
	Files  []File
	Audit  AuditHeld
	// Differs is the first transaction of EVENTS after which the fold has another
	// state hash than was recorded; 0 is none. It is always 0 when values were taken
	// out: the hashes cannot be compared then.
	Differs proto.Seq
	// Taken are the objects of EVENTS whose values were taken out of this file: none
	// where the span has no Secret, whatever the header says.
	Taken []proto.ObjectKey
}

// OpenConfig says how a file is folded.
type OpenConfig struct {
	Table *events.Table
	Dir   string // folder of the projections, a stream each; "" folds in memory
	// Folders names a stream's folder in Dir; default is its name in small letters.
	Folders map[string]string
	Sync    bool // what is folded is to last
	Log     *slog.Logger
	// Recorded is told the state hash that was recorded after each transaction; may
	// be nil.
	Recorded func(stream string, seq proto.Seq, state proto.Hash)
	// Audit is given the messages of AUDIT, and how they were kept; nil passes them over.
	Audit TakeAudit
	// Progress is told how many transactions were folded; may be nil.
	Progress func(done int)
}

func (c OpenConfig) folder(stream string) string {
	if c.Dir == "" {
		return ""
	}
	if name := c.Folders[stream]; name != "" {
		return filepath.Join(c.Dir, name)
	}
	return filepath.Join(c.Dir, strings.ToLower(stream))
}

// Open folds a file. The projections are the caller's to close.
func Open(ctx context.Context, r io.Reader, cfg OpenConfig) (*Archive, error) {
	in, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	in.TakeAudit(cfg.Audit)
	a := newArchive(in)
	a.Logs = map[string]*projections.Projection{}
	if err := a.each(in, func(log Log) error { return a.fold(ctx, in, log, cfg) }); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func newArchive(in *Reader) *Archive {
	return &Archive{Header: in.Header(), Files: in.Files(), Starts: map[string]Log{}}
}

// each folds the logs of a file, one after the other, to its end.
func (a *Archive) each(in *Reader, fold func(Log) error) error {
	for {
		log, err := in.Next()
		if errors.Is(err, io.EOF) {
			if _, ok := a.Starts[proto.StreamEvents]; !ok {
				return fmt.Errorf("%w: it has no log %s", ErrDamaged, proto.StreamEvents)
			}
			a.Audit = in.Audit()
			return nil
		}
		if err != nil {
			return err
		}
		if _, twice := a.Starts[log.Stream]; twice {
			return fmt.Errorf("%w: the log %s is in it twice", ErrDamaged, log.Stream)
		}
		a.Starts[log.Stream] = log
		if err := fold(log); err != nil {
			return err
		}
	}
}

// Close closes the projections.
func (a *Archive) Close() error {
	var errs []error
	for _, fold := range a.Logs {
		errs = append(errs, fold.Close())
	}
	return errors.Join(errs...)
}

// Transactions that are folded in one go: so many, or so many bytes.
const (
	foldAtOnce = 512
	foldBytes  = 8 << 20
)

// fold folds a log with its past.
func (a *Archive) fold(ctx context.Context, in *Reader, log Log, cfg OpenConfig) error {
	f := &folding{archive: a, stream: log.Stream, recorded: cfg.Recorded, progress: cfg.Progress}
	fold, err := projections.Open(projections.Config{
		Table: cfg.Table, Dir: cfg.folder(log.Stream), Log: cfg.Log, Retained: log.Stream != proto.StreamEvents,
		Redacted: a.Header.Redacted, Folded: f.folded, Sync: cfg.Sync, Brief: cfg.Dir == "",
	})
	if err != nil {
		return err
	}
	a.Logs[log.Stream] = fold
	return f.run(ctx, in, log, rows{fold})
}

// rows is a fold with its past.
type rows struct{ *projections.Projection }

// Commit folds entries.
func (r rows) Commit(entries []proto.Entry) error { return r.Projection.Commit(entries, nil) }
