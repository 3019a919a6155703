package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"segno/bus"
	"segno/events/kinds"
	"segno/projections"
	"segno/proto"
)

const pastMB = 1 << 20

// weight is what the log takes on disk, and the fold beside it at rest; in bytes.
type weight struct{ log, rested int64 }

// storage weighs the log as it lies on disk and the fold beside it: as it was
// when the last transaction had been folded, and once it was closed, opened again
// and had no more to tidy up. That closes the fold, so it is done once.
func (p *past) storage(b *testing.B) {
	if p.weighed == nil {
		log := p.writeLog(b)
		if err := p.fold.Close(); err != nil {
			b.Fatal(err)
		}
		p.weighed = &weight{log: log, rested: p.rested(b)}
	}
	log := float64(p.weighed.log)
	b.ReportMetric(log/pastMB, "log-MB")
	b.ReportMetric(float64(p.raw)/pastMB, "transactions-MB")
	b.ReportMetric((log+float64(p.full))/log, "loaded/log")
	b.ReportMetric((log+float64(p.weighed.rested))/log, "rested/log")
}

// writeLog has the log written from the fold, as after a restored backup, and
// answers what it takes.
func (p *past) writeLog(b *testing.B) int64 {
	b.Helper()
	dir := b.TempDir()
	server, err := bus.NewServer(bus.ServerConfig{StoreDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	door, err := bus.NewSequencer(bus.SequencerConfig{Server: server, Stream: proto.StreamEvents, Fold: p.fold, Table: kinds.Table(), ID: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return server.Run(ctx) })
	running.Go(func() error { return door.Run(ctx) })
	ready := door.Ready(ctx)
	size := sizeOf(b, dir)
	stop()
	if err := running.Wait(); ready != nil || err != nil && !errors.Is(err, context.Canceled) {
		b.Fatal(ready, err)
	}
	return size
}

// rested is what the fold takes once nothing more becomes of it by itself.
func (p *past) rested(b *testing.B) int64 {
	b.Helper()
	fold, err := projections.Open(projections.Config{Table: kinds.Table(), Dir: p.dir})
	if err != nil {
		b.Fatal(err)
	}
	defer fold.Close()
	size := sizeOf(b, p.dir)
	for same := 0; same < 20; {
		time.Sleep(100 * time.Millisecond)
		now := sizeOf(b, p.dir)
		if same++; now != size {
			size, same = now, 0
		}
	}
	return size
}

// sizeOf is what a folder takes.
func sizeOf(b *testing.B, dir string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil // compacted away meanwhile
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
