package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
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
	// Archive is the folder of the archives, or the URL of a bucket; "" is the one of
	// before, or "archive" in the data directory.
	Archive string `json:"archive,omitempty"`
	// Credentials is a file of those for the bucket; it comes and goes with Archive.
	Credentials string `json:"credentials,omitempty"`
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
		var err error
		c.archives, err = k.archives("", c.log)
		return err
	}
	before, err := keptKeeping(c.cfg.DataDir)
	if err != nil {
		return err
	}
	if k.For == 0 {
		k.For = before.For
	}
	if k.Archive == "" {
		k.Archive, k.Credentials = before.Archive, cmp.Or(k.Credentials, before.Credentials)
	}
	if err := k.resolve(); err != nil {
		return err
	}
	if c.isOwnBus(k.Archive) {
		return fmt.Errorf("archive into %s: that is this cluster's own bus, on the disk that is to become free; name a bucket of another NATS server, or a folder", k.Archive)
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
	c.archives, err = k.archives(c.cfg.DataDir, c.log)
	return err
}

// resolve makes paths of it that mean the same from everywhere.
func (k *Keeping) resolve() error {
	_, _, bucket, err := bus.ParseBucket(k.Archive)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if k.Archive != "" && !bucket {
		k.Archive, err = filepath.Abs(k.Archive)
	}
	if k.Credentials != "" && err == nil {
		k.Credentials, err = filepath.Abs(k.Credentials)
	}
	if err != nil {
		return fmt.Errorf("place of archives: %w", err)
	}
	return nil
}

// isOwnBus tells whether a bucket is named that would lie in the cluster's own
// server, as far as the address tells.
func (c *Cluster) isOwnBus(place string) bool {
	server, _, bucket, err := bus.ParseBucket(place)
	if err != nil || !bucket || c.busPort == nil {
		return false
	}
	_, address, _ := strings.Cut(server, "://")
	host, port, err := net.SplitHostPort(address)
	own, ownPort, ownErr := net.SplitHostPort(c.busPort.Addr().String())
	if err != nil || ownErr != nil || port != ownPort {
		return false
	}
	ip := net.ParseIP(host)
	return host == own || host == "localhost" || ip != nil && ip.IsLoopback()
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

// leaveArchive forgets the place of archives that was asked for: it is another
// cluster's, whose history goes on differently.
func leaveArchive(dir string) (folder string, err error) {
	k, err := keptKeeping(dir)
	if err != nil || k.Archive == "" {
		return "", err
	}
	folder, k.Archive, k.Credentials = k.Archive, "", ""
	data, err := json.Marshal(k)
	if err == nil {
		err = replace.File(filepath.Join(dir, keepFile), data)
	}
	if err != nil {
		return "", fmt.Errorf("forget the place of archives: %w", err)
	}
	return folder, nil
}

// archives is where they are. The folder in the data directory is not
// remembered, since that may be moved.
func (k Keeping) archives(dir string, log *slog.Logger) (*archives.Archives, error) {
	place := cmp.Or(k.Archive, filepath.Join(dir, "archive"))
	return archives.New(archives.Config{Place: place, Credentials: k.Credentials, Log: log})
}

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
	kept, err := c.archives.Keep(ctx, archive.Config{
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
		"stream", e.Stream, "place", c.archives.Place(), "file", kept.Name)
	return nil
}

// Archives implements api.Archives.
func (c *Cluster) Archives(ctx context.Context) (history.Archives, error) {
	out := history.Archives{Folder: c.archives.Place(), Archives: []history.Archive{}}
	if c.cfg.Keep.For > 0 {
		out.Keep = c.cfg.Keep.For.String()
	}
	files, err := c.archives.List(ctx)
	if err != nil {
		return out, err
	}
	for _, f := range files {
		is := history.Archive{File: f.Name, First: f.From, Last: f.To, Since: f.Since, Until: f.Until, Bytes: f.Bytes}
		if is.Problem, err = c.foreign(f); err != nil {
			return out, err
		}
		out.Archives = append(out.Archives, is)
	}
	return out, nil
}

// foreign says why a file is none of this log; "" when it is, as far as it says so
// itself: only verify reads all of it.
func (c *Cluster) foreign(f archives.File) (string, error) {
	if f.Err != nil {
		return f.Err.Error(), nil
	}
	fold := c.ledgers.events()
	const other = "of another history"
	if f.To > fold.Position().Seq {
		return other, nil
	}
	at, said := f.To, f.Hash
	if said == "" && f.From > 1 { // a file of before, which says only what it begins behind
		at, said = f.From-1, f.Before
	}
	position, _, err := fold.PositionAt(at)
	if err != nil {
		return "", err
	}
	if said != "" && said != position.Hash.String() {
		return other, nil
	}
	return "", nil
}
