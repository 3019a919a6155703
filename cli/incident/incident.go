package incident

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/cli/api"
	"segno/cli/api/logs"
	"segno/cli/archive"
	"segno/cli/sandbox"
	"segno/cli/version"
	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// Config says which file is opened.
type Config struct {
	File string
	// Scratch is the folder in which a folder for what is unpacked is made; default
	// that of temporary files.
	Scratch string
	Log     *slog.Logger // nil is silent
	// Progress is told how many bytes of the file were read, of how many.
	Progress func(done, total int64)
}

// Incident is an opened file.
type Incident struct {
	name    string // of the file, for people
	table   *events.Table
	archive *archive.Archive
	logs    *logs.Logs
	api     *api.API
	now     time.Time
	scratch string
}

// Open reads, checks and folds a file.
func Open(ctx context.Context, cfg Config) (*Incident, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	i := &Incident{name: filepath.Base(cfg.File), table: kinds.Table()}
	if err := i.open(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.File, errors.Join(err, i.Close()))
	}
	return i, nil
}

func (i *Incident) open(ctx context.Context, cfg Config) error {
	file, err := os.Open(cfg.File)
	if err != nil {
		return errors.Unwrap(err) // the path is in what is told already
	}
	defer file.Close()
	if i.scratch, err = os.MkdirTemp(cfg.Scratch, "segno-incident-"); err != nil {
		return fmt.Errorf("make a scratch folder: %w", err)
	}
	i.archive, err = archive.Open(ctx, watched(file, cfg.Progress), archive.OpenConfig{
		Table: i.table, Dir: filepath.Join(i.scratch, "logs"), Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	if err := i.complete(cfg.Log); err != nil {
		return err
	}
	i.now = i.archive.Header.Until
	if last := i.archive.Logs[proto.StreamEvents].Position().At; last.After(i.now) {
		i.now = last
	}
	all := map[string]logs.Log{}
	for stream, fold := range i.archive.Logs {
		all[stream] = logs.Log{Fold: fold, Submit: i.refuse}
	}
	if i.logs, err = logs.New(logs.Config{
		Name: i.archive.Header.Cluster, Redacted: i.archive.Header.Redacted, Now: i.Now, Table: i.table, Logs: all,
	}); err != nil {
		return err
	}
	i.api, err = api.New(api.Config{
		Table: i.table, Store: i.logs, History: i.logs, Exporter: i.logs, Finder: i.logs,
		Supposer: sandbox.NewOracle(i.table, i.archive.Logs, cfg.Log), Version: version.API(), Log: cfg.Log,
		Now: i.Now, ReadOnly: i.name,
	})
	return err
}

// complete adds what the file does not have: an empty log reads as one.
func (i *Incident) complete(log *slog.Logger) error {
	for _, stream := range []string{proto.StreamNotes, proto.StreamLeases} {
		if i.archive.Logs[stream] != nil {
			continue
		}
		fold, err := projections.Open(projections.Config{Table: i.table, Retained: true, Log: log})
		if err != nil {
			return err
		}
		i.archive.Logs[stream] = fold
	}
	return nil
}

// watched tells how far a file has been read.
func watched(file *os.File, progress func(done, total int64)) io.Reader {
	info, err := file.Stat()
	if err != nil || progress == nil {
		return file
	}
	return &meter{Reader: file, total: info.Size(), tell: progress}
}

type meter struct {
	io.Reader
	done, total int64
	tell        func(done, total int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.done += int64(n)
	m.tell(m.done, m.total)
	return n, err
}

// refuse is the door for writes: the API turns most of them away before it.
func (i *Incident) refuse(context.Context, events.Command) (events.Outcome, error) {
	refusal := apierrors.NewMethodNotSupported(schema.GroupResource{}, "write")
	refusal.ErrStatus.Message = i.name + " is an opened incident: it can only be read"
	return events.Outcome{}, refusal
}

// Now is the time at which the incident stands: the end of its span.
func (i *Incident) Now() time.Time { return i.now }

// Close lets go of everything, and removes what was unpacked.
func (i *Incident) Close() error {
	var err error
	if i.archive != nil {
		err = i.archive.Close()
	}
	if i.scratch != "" {
		err = errors.Join(err, os.RemoveAll(i.scratch))
	}
	return err
}
