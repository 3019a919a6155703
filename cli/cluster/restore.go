package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"segno/bus"
	"segno/cli/archive"
	"segno/cli/contexts"
	"segno/cli/internal/replace"
	"segno/events/kinds"
	"segno/proto"
)

// RestoreConfig says what is made of a backup. Backup and DataDir are needed.
type RestoreConfig struct {
	Backup  io.Reader
	File    string // what the backup is called, for people
	DataDir string // must not be there, or be empty
	Name    string // that the cluster will have there
	Log     *slog.Logger
}

// Restored says what a data directory was made of.
type Restored struct {
	archive.Header
	Requests archive.AuditHeld
	State    string // hash of all objects
	// Archive is the folder of archives of the cluster that was backed up, which is
	// left to that one; "" when it was the one in its data directory, or none.
	Archive string
}

// Restore makes a data directory of a backup. It is built beside its place and
// put there at the end, whole: what an interrupted one leaves, nothing starts.
func Restore(ctx context.Context, cfg RestoreConfig) (Restored, error) {
	if err := vacant(cfg.DataDir); err != nil {
		return Restored{}, err
	}
	site := cfg.DataDir + ".restoring"
	unlock, err := LockData(site)
	if err != nil {
		return Restored{}, err
	}
	unlock()
	if err := errors.Join(os.RemoveAll(site), os.MkdirAll(site, 0o700)); err != nil {
		return Restored{}, fmt.Errorf("make the folder to restore in: %w", err)
	}
	out, err := cfg.build(ctx, site)
	if err == nil {
		err = takePlace(site, cfg.DataDir)
	}
	if err == nil {
		err = replace.SyncFolder(filepath.Dir(cfg.DataDir))
	}
	if err != nil {
		return Restored{}, errors.Join(fmt.Errorf("restore to %s: %w", cfg.DataDir, err), os.RemoveAll(site))
	}
	return out, nil
}

// takePlace puts a folder in the place of an empty one, or of none.
func takePlace(site, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(site, dir)
}

// vacant refuses a folder that something is in.
func vacant(dir string) error {
	found, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into the data directory: %w", err)
	case len(found) > 0:
		return fmt.Errorf("the data directory %s is not empty: a cluster is restored to a new one; name it with --data-dir, or move that one away", dir)
	}
	return nil
}

func (cfg RestoreConfig) build(ctx context.Context, site string) (Restored, error) {
	folders := map[string]string{}
	for stream, fold := range folds(kinds.Table(), site) {
		folders[stream] = filepath.Base(fold.Dir)
	}
	a, err := archive.Open(ctx, cfg.Backup, archive.OpenConfig{
		Table: kinds.Table(), Dir: site, Folders: folders, Sync: true, Log: cfg.Log,
		Audit: func(bounds archive.AuditBounds, messages iter.Seq2[[]byte, error]) error {
			return bus.RestoreAudit(ctx, bus.AuditRestoreConfig{
				StoreDir: filepath.Join(site, "log"), Anchor: anchorFile(site, proto.StreamAudit), Keep: bounds.Keep, MaxBytes: bounds.MaxBytes, Log: cfg.Log,
			}, messages)
		},
	})
	if err != nil {
		return Restored{}, err
	}
	out := Restored{Header: a.Header, Requests: a.Audit, State: a.Logs[proto.StreamEvents].StateHash().String()}
	ends := map[string]proto.Position{}
	for stream, fold := range a.Logs {
		ends[stream] = fold.Position()
	}
	if err := errors.Join(a.Close(), ctx.Err()); err != nil { // a small one may be folded before it is noticed
		return out, err
	}
	switch {
	case !a.Header.Backup || a.Header.Redacted:
		return out, errors.New("it is no backup but an exported span, which segno open reads")
	case a.Differs > 0:
		return out, fmt.Errorf("the state after transaction %s is not the recorded one: this segno folds the log otherwise than segno %s, which made the backup; restore with that one", a.Differs, a.Header.By)
	}
	for _, file := range a.Files {
		if !restorable(file.Name) {
			return out, fmt.Errorf("%w: %q is no file of a backup", archive.ErrDamaged, file.Name)
		}
		if err := replace.File(filepath.Join(site, filepath.FromSlash(file.Name)), file.Data); err != nil {
			return out, err
		}
	}
	if out.Archive, err = leaveArchive(site); err != nil {
		return out, err
	}
	if err := cfg.rename(site, a.Header.Cluster); err != nil {
		return out, err
	}
	if err := os.MkdirAll(filepath.Join(site, "log"), 0o700); err != nil { // written from the folds at the first start
		return out, fmt.Errorf("make the folder of the log: %w", err)
	}
	for stream, at := range ends {
		if err := bus.MarkRestored(anchorFile(site, stream), at, cmp.Or(cfg.File, "a backup")); err != nil {
			return out, err
		}
	}
	return out, replace.SyncFolder(site)
}

// rename gives the cluster the name of its new place where it remembers its
// addresses: clients look for it there.
func (cfg RestoreConfig) rename(site, before string) error {
	file := filepath.Join(site, kubeconfigFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entry, err := contexts.Read(file, before)
	if err != nil {
		return err
	}
	entry.Name, entry.DataDir = cfg.Name, cfg.DataDir
	return entry.Write(file)
}
