package cluster

import (
	"cmp"
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
// read: whoever submits is refused. Where the fold of the events is gone, it is
// made beside the folder, of the archives and the log. free lets go of the folder.
func OpenData(ctx context.Context, dir string, log *slog.Logger) (all *logs.Logs, free func(), err error) {
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
	site, err := os.MkdirTemp("", "segno-verify-*")
	if err != nil {
		unlock()
		return nil, nil, fmt.Errorf("make a folder to fold in: %w", err)
	}
	open := map[string]logs.Log{}
	free = func() {
		for _, one := range open {
			_ = one.Fold.Close() // nothing was written that lasts
		}
		_ = os.RemoveAll(site)
		unlock()
	}
	table := kinds.Table()
	for stream, cfg := range folds(table, dir) {
		cfg.Log = log
		if open[stream], err = openLog(ctx, dir, site, stream, cfg); err != nil {
			delete(open, stream)
			free()
			return nil, nil, err
		}
	}
	if all, err = logs.New(logs.Config{Table: table, Logs: open}); err != nil {
		free()
	}
	return all, free, err
}

// openLog opens one of them.
func openLog(ctx context.Context, dir, site, stream string, cfg projections.Config) (logs.Log, error) {
	gone := false
	if _, err := os.Stat(cfg.Dir); errors.Is(err, fs.ErrNotExist) {
		gone, cfg.Dir, cfg.Sync = true, "", false // the log's chain is all there is
	}
	if kept, err := bus.ReadKept(anchorFile(dir, stream)); err != nil {
		return logs.Log{}, err
	} else if gone = gone || kept.Refolding; stream == proto.StreamEvents && gone {
		cfg.Dir = filepath.Join(site, stream)
	}
	fold, err := projections.Open(cfg)
	if err != nil {
		return logs.Log{}, err
	}
	files := bus.FilesConfig{StoreDir: filepath.Join(dir, "log"), Stream: stream, Fold: fold, Anchor: anchorFile(dir, stream)}
	missing := "" // of what the fold was to be made of
	if stream == proto.StreamEvents && gone {
		if missing, err = refoldData(ctx, dir, fold, files, cfg.Log); err != nil {
			return logs.Log{}, errors.Join(err, fold.Close())
		}
	}
	return logs.Log{Fold: fold, Submit: refuseStopped, Files: func(ctx context.Context, progress func(done, total int)) (logs.Files, error) {
		files := files
		files.Progress = progress
		found, err := filesFound(bus.VerifyFiles(ctx, files))
		found.Problem = cmp.Or(missing, found.Problem)
		if err != nil || found.Problem != "" {
			return found, err
		}
		err = proveArchived(ctx, dir, fold, files, &found)
		return found, err
	}}, nil
}

func refuseStopped(context.Context, events.Command) (events.Outcome, error) {
	return events.Outcome{}, errors.New("the cluster is stopped")
}

// filesFound is what a person is told of the files.
func filesFound(report bus.FilesReport, err error) (logs.Files, error) {
	found := logs.Files{Records: report.Records, Restored: report.Restored}
	if report.Damage != nil {
		found.Problem = report.Damage.Error()
	}
	return found, err
}

func anchorFile(dir, stream string) string { return filepath.Join(dir, "anchor-"+stream) }

// VerifyData proves the logs of a stopped cluster, as a running one proves its
// own; at is a moment whose state hash is wanted, too, "" for none, and message one of
// AUDIT, 0 for none.
func VerifyData(ctx context.Context, dir, at string, message proto.Seq, log *slog.Logger, report func(history.Verification)) error {
	all, free, err := OpenData(ctx, dir, log)
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
		if seq == 0 {
			return fmt.Errorf("moment %q: lies before the log begins: there is no state of then to prove", at)
		}
	}
	if err := all.Verify(ctx, seq, report); err != nil {
		return err
	}
	return verifyAudit(ctx, dir, message, report)
}

// verifyAudit proves what was recorded of requests.
func verifyAudit(ctx context.Context, dir string, at proto.Seq, report func(history.Verification)) error {
	return history.VerifyAudit(report, func(progress func(done, total uint64)) (proto.AuditProof, error) {
		return bus.VerifyAuditFiles(ctx, bus.AuditFilesConfig{
			StoreDir: filepath.Join(dir, "log"), Anchor: anchorFile(dir, proto.StreamAudit), At: at, Progress: progress,
		})
	})
}
