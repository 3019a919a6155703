package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"segno/bus"
	"segno/cli/api/history"
	"segno/cli/archive"
	"segno/cli/archives"
	"segno/cli/internal/replace"
	"segno/proto"
)

// Keeping says what becomes of old epochs of the log. The zero value keeps
// everything where it is.
type Keeping struct {
	// For is how old an epoch may become before it is archived and its stream is
	// dropped; 0 is what was asked for before, KeepAll for ever.
	For time.Duration `json:"for,omitempty"`
	// Archive is the folder of the archives; "" is the one of before, or "archive" in
	// the data directory.
	Archive string `json:"archive,omitempty"`
}

// KeepAll leaves all epochs where they are.
const KeepAll = time.Duration(-1)

// keepFile remembers it in the data directory.
const keepFile = "keep.json"

// Bounds of how often epochs are looked at, and of what may be asked for.
const (
	keepOften, keepSeldom = time.Second, time.Hour
	// keepParts is into how many epochs the time is cut that the log is kept for.
	keepParts = 4
)

// recallKeeping takes from before what is not asked for now.
func (c *Cluster) recallKeeping() error {
	k := &c.cfg.Keep
	if c.cfg.DataDir == "" {
		return nil
	}
	before, err := keptKeeping(c.cfg.DataDir)
	if err != nil {
		return err
	}
	if k.For == 0 {
		k.For = before.For
	}
	if k.Archive == "" {
		k.Archive = before.Archive
	}
	if k.Archive != "" {
		if k.Archive, err = filepath.Abs(k.Archive); err != nil {
			return fmt.Errorf("folder of archives: %w", err)
		}
	}
	if *k != before && k.For != 0 {
		data, err := json.Marshal(k)
		if err == nil {
			err = replace.File(filepath.Join(c.cfg.DataDir, keepFile), data)
		}
		if err != nil {
			return fmt.Errorf("remember how long the log is kept: %w", err)
		}
	}
	k.Archive = k.folder(c.cfg.DataDir)
	return nil
}

// keptKeeping is what a data directory remembers.
func keptKeeping(dir string) (Keeping, error) {
	k, file := Keeping{}, filepath.Join(dir, keepFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	if err != nil {
		return k, fmt.Errorf("read how long the log is kept (%s): %w", file, err)
	}
	return k, nil
}

// leaveArchive forgets the folder of archives that was asked for: it is another
// cluster's, whose history goes on differently.
func leaveArchive(dir string) (folder string, err error) {
	k, err := keptKeeping(dir)
	if err != nil || k.Archive == "" {
		return "", err
	}
	folder, k.Archive = k.Archive, ""
	data, err := json.Marshal(k)
	if err == nil {
		err = replace.File(filepath.Join(dir, keepFile), data)
	}
	if err != nil {
		return "", fmt.Errorf("forget the folder of archives: %w", err)
	}
	return folder, nil
}

// folder is where the archives are. The one in the data directory is not
// remembered, since that may be moved.
func (k Keeping) folder(dir string) string {
	if k.Archive != "" {
		return k.Archive
	}
	return filepath.Join(dir, "archive")
}

func (c *Cluster) archives() archives.Folder { return archives.Folder{Dir: c.cfg.Keep.Archive} }

// keepEpochs archives old epochs until ctx ends. One that cannot be archived
// stays where it is, and is tried again.
func (c *Cluster) keepEpochs(ctx context.Context) error {
	keep := c.cfg.Keep.For
	if keep <= 0 {
		return nil
	}
	tick := time.NewTicker(min(max(keep/(2*keepParts), keepOften), keepSeldom))
	defer tick.Stop()
	for {
		if err := c.archiveEpochs(ctx, time.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			c.log.Error("an old epoch of the log stays where it is; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// archiveEpochs seals the newest epoch when it has begun long ago, and archives
// and drops all whose newest transaction is older than cut.
func (c *Cluster) archiveEpochs(ctx context.Context, cut time.Time) error {
	l := c.ledgers[proto.StreamEvents]
	list, err := l.door.Epochs(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Last < e.First {
			continue
		}
		if !e.Sealed {
			return c.rollOld(ctx, e)
		}
		ended, err := l.fold.TimeOf(e.Last)
		if err != nil {
			return err
		}
		if ended.After(cut) {
			continue
		}
		if err := c.archiveEpoch(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) rollOld(ctx context.Context, e bus.Epoch) error {
	l := c.ledgers[proto.StreamEvents]
	began, err := l.fold.TimeOf(e.First)
	if err != nil || time.Since(began) < c.cfg.Keep.For/keepParts {
		return err
	}
	if err := l.door.Roll(ctx); !errors.Is(err, bus.ErrEpochEmpty) {
		return err
	}
	return nil
}

// archiveEpoch writes the oldest epoch to a file and, once that was read back,
// drops its stream.
func (c *Cluster) archiveEpoch(ctx context.Context, e bus.Epoch) error {
	fold := c.ledgers.events()
	kept, err := c.archives().Keep(ctx, archive.Config{
		Cluster: c.cfg.Name, Made: time.Now(), Table: c.table, Secrets: true,
		Spans: []archive.Span{{Stream: proto.StreamEvents, Fold: fold, From: e.First, To: e.Last}},
	})
	if err != nil {
		return err
	}
	if err := c.ledgers[proto.StreamEvents].door.DropEpoch(ctx, e.Number); err != nil {
		return err
	}
	c.log.Info("an old epoch of the log was archived, and its stream dropped", "epoch", e.Number, "from", e.First, "to", e.Last,
		"stream", e.Stream, "file", filepath.Join(c.cfg.Keep.Archive, kept.Name))
	return nil
}

// Archives implements api.Archives.
func (c *Cluster) Archives(context.Context) (history.Archives, error) {
	out := history.Archives{Folder: c.cfg.Keep.Archive, Archives: []history.Archive{}}
	if c.cfg.Keep.For > 0 {
		out.Keep = c.cfg.Keep.For.String()
	}
	files, err := c.archives().List()
	for _, f := range files {
		out.Archives = append(out.Archives, history.Archive{File: f.Name, First: f.From, Last: f.To, Since: f.Since, Until: f.Until, Bytes: f.Bytes})
	}
	return out, err
}
