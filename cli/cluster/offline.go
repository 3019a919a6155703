package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"segno/bus"
	"segno/cli/api"
	"segno/cli/api/history"
	"segno/cli/api/logs"
	"segno/events"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

// OpenData opens the logs of a stopped cluster from its folder alone, to be
// read: whoever submits is refused. free lets go of the folder.
func OpenData(dir string, log *slog.Logger) (all *logs.Logs, free func(), err error) {
	if _, err := os.Stat(filepath.Join(dir, "log")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("no cluster in %s: there is no folder log", dir)
	}
	unlock, err := LockData(dir)
	if errors.Is(err, ErrInUse) {
		return nil, nil, fmt.Errorf("%w: it runs; leave --data-dir out to ask it", err)
	}
	if err != nil {
		return nil, nil, err
	}
	open := map[string]logs.Log{}
	free = func() {
		for _, one := range open {
			_ = one.Fold.Close() // nothing was written
		}
		unlock()
	}
	table := kinds.Table()
	for stream, cfg := range folds(table, dir) {
		cfg.Log = log
		if _, err := os.Stat(cfg.Dir); errors.Is(err, fs.ErrNotExist) {
			cfg.Dir, cfg.Sync = "", false // the log's chain is all there is
		}
		fold, err := projections.Open(cfg)
		if err != nil {
			free()
			return nil, nil, err
		}
		files := bus.FilesConfig{StoreDir: filepath.Join(dir, "log"), Stream: stream, Fold: fold, Anchor: anchorFile(dir, stream)}
		open[stream] = logs.Log{Fold: fold, Submit: refuseStopped, Files: func(ctx context.Context, progress func(done, total int)) (int, string, error) {
			files := files
			files.Progress = progress
			return filesFound(bus.VerifyFiles(ctx, files))
		}}
	}
	if all, err = logs.New(logs.Config{Table: table, Logs: open}); err != nil {
		free()
	}
	return all, free, err
}

func refuseStopped(context.Context, events.Command) (events.Outcome, error) {
	return events.Outcome{}, errors.New("the cluster is stopped")
}

// filesFound is what a person is told of the files.
func filesFound(report bus.FilesReport, err error) (records int, problem string, _ error) {
	if report.Damage != nil {
		problem = report.Damage.Error()
	}
	return report.Records, problem, err
}

func anchorFile(dir, stream string) string { return filepath.Join(dir, "anchor-"+stream) }

// VerifyData proves the logs of a stopped cluster, as a running one proves its
// own; at is a moment whose state hash is wanted, too, "" for none.
func VerifyData(ctx context.Context, dir, at string, log *slog.Logger, report func(history.Verification)) error {
	all, free, err := OpenData(dir, log)
	if err != nil {
		return err
	}
	defer free()
	var seq proto.Seq
	if at != "" {
		moment, err := api.ParseMoment(at, time.Now())
		if err != nil {
			return err
		}
		kind := kinds.Table().Of(nodeResource)
		if seq, _, err = all.Resolve(ctx, kind, moment); err != nil {
			return err
		}
	}
	if err := all.Verify(ctx, seq, report); err != nil {
		return err
	}
	return verifyAudit(ctx, dir, report)
}

// verifyAudit proves what was recorded of requests.
func verifyAudit(ctx context.Context, dir string, report func(history.Verification)) error {
	is := history.Verification{Stream: proto.StreamAudit}
	proof, err := bus.VerifyAuditFiles(ctx, bus.AuditFilesConfig{
		StoreDir: filepath.Join(dir, "log"), Anchor: anchorFile(dir, proto.StreamAudit),
		Progress: func(done, total uint64) {
			is.Done, is.Total = int(done), int(total)
			report(is)
		},
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", proto.StreamAudit, err)
	}
	is.Result = history.OfAudit(proof)
	report(is)
	return nil
}
