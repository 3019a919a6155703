package cluster

import (
	"context"
	"encoding/json"
	"path/filepath"

	"segno/bus"
	"segno/cli/api/history"
	"segno/cli/api/logs"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

// leaseWindow is how many transactions of the leases' past are kept beside the
// leases themselves: heartbeats are not history.
const leaseWindow = 4096

// auditMemory is what the record of requests takes of the memory of a cluster
// without a folder.
const auditMemory = 64 << 20

// ledger is one log: its fold, and the door for writes.
type ledger struct {
	stream string
	fold   *projections.Projection
	door   *bus.Sequencer
}

// ledgers are the three logs of a cluster by their stream.
type ledgers map[string]*ledger

// folds answers how each log is folded: in memory without a folder.
func folds(table *events.Table, dir string) map[string]projections.Config {
	at := func(name string) string {
		if dir == "" {
			return ""
		}
		return filepath.Join(dir, name)
	}
	const small = 4 << 20
	return map[string]projections.Config{
		proto.StreamEvents: {Table: table, Dir: at("state"), Sync: dir != ""},
		proto.StreamNotes: {
			Table: table, Dir: at("notes"), Sync: dir != "", Retained: true,
			CacheBytes: small, RecordBytes: small, FeedBytes: small / 4, ObjectBytes: small, MemTableSize: small,
		},
		proto.StreamLeases: {
			Table: table, Dir: at("leases"), Sync: dir != "", Retained: true, Window: leaseWindow,
			CacheBytes: small, RecordBytes: small, FeedBytes: small / 4, ObjectBytes: small, MemTableSize: small,
		},
	}
}

// openLedgers opens the folds and makes the doors, EVENTS first: causes of the
// others lie in it.
func (c *Cluster) openLedgers() error {
	configs := folds(c.table, c.cfg.DataDir)
	for _, stream := range []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases} {
		in := configs[stream]
		in.Log = c.log
		if stream == proto.StreamEvents && c.cfg.DataDir != "" {
			if err := c.discardHalf(in); err != nil {
				return err
			}
		}
		fold, err := projections.Open(in)
		if err != nil {
			return err
		}
		l := &ledger{stream: stream, fold: fold}
		c.ledgers[stream] = l
		cfg := bus.SequencerConfig{
			Server: c.server, Stream: stream, Fold: fold, Table: c.table, ID: c.cfg.Name, Source: c.origin(), Log: c.cfg.Log,
			EpochBytes: c.cfg.EpochBytes, EpochAge: c.cfg.EpochAge,
			Progress: func(done, total proto.Seq) { c.cfg.Progress(stream, done, total) },
			Render:   func(ev *proto.Event) (json.RawMessage, error) { return history.Render(c.table, ev) },
		}
		if stream == proto.StreamEvents {
			cfg.Archive = c.archives.Read
		} else {
			cfg.Causes = c.ledgers[proto.StreamEvents].door
		}
		if c.cfg.DataDir != "" {
			cfg.Anchor = anchorFile(c.cfg.DataDir, stream)
		}
		if l.door, err = bus.NewSequencer(cfg); err != nil {
			return err
		}
	}
	var err error
	all := map[string]logs.Log{}
	for stream, l := range c.ledgers {
		all[stream] = logs.Log{Fold: l.fold, Submit: l.door.Submit, Files: func(ctx context.Context, progress func(done, total int)) (logs.Files, error) {
			return c.proveFiles(ctx, l, progress)
		}}
	}
	c.logs, err = logs.New(logs.Config{Name: c.cfg.Name, Table: c.table, Logs: all})
	return err
}

// openAudit makes the record of requests; memory bounds it where there is no disk.
func (c *Cluster) openAudit() error {
	cfg := bus.AuditConfig{Server: c.server, Keep: c.cfg.AuditKeep, MaxBytes: c.cfg.AuditBytes, Log: c.log}
	switch {
	case c.cfg.DataDir != "":
		cfg.Anchor = anchorFile(c.cfg.DataDir, proto.StreamAudit)
	case cfg.MaxBytes == 0:
		cfg.MaxBytes = auditMemory
	}
	var err error
	c.audit, err = bus.NewAudit(cfg)
	return err
}

func (l ledgers) close() {
	for _, one := range l {
		_ = one.fold.Close() // all that was answered is durable already
	}
}

func (l ledgers) folds() map[string]*projections.Projection {
	folds := make(map[string]*projections.Projection, len(l))
	for stream, one := range l {
		folds[stream] = one.fold
	}
	return folds
}

func (l ledgers) events() *projections.Projection { return l[proto.StreamEvents].fold }
