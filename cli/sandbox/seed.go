package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"segno/cli/api/logs"
	"segno/events"
	"segno/projections"
	"segno/proto"
)

// streams are the logs of a cluster, EVENTS first: causes of the others lie in it.
var streams = []string{proto.StreamEvents, proto.StreamNotes, proto.StreamLeases}

// The sizes of a sandbox's folds: what is decided there is read soon, or never.
const (
	foldBytes = 4 << 20
	tableSize = 8 << 20
	// leaseWindow is how many transactions of the past of leases are kept.
	leaseWindow = 1024
)

// Source is what a sandbox begins from: logs, which are only read, and a moment. Up
// to there its own past is theirs.
type Source struct {
	Table *events.Table
	Folds map[string]*projections.Projection // by stream; EVENTS is needed
	Seq   proto.Seq                          // of EVENTS
	Time  time.Time                          // at which the sandbox's clock begins
}

// open makes the logs of a sandbox, filled with what was there then, and the
// doors to them.
func (s *Sandbox) open(ctx context.Context, from Source) error {
	all := map[string]logs.Log{}
	for _, stream := range streams {
		window := 0
		if stream == proto.StreamLeases {
			window = leaseWindow
		}
		fold, err := projections.Open(projections.Config{
			Table: from.Table, Retained: stream != proto.StreamEvents, Window: window,
			CacheBytes: foldBytes, RecordBytes: foldBytes, FeedBytes: foldBytes, ObjectBytes: foldBytes, MemTableSize: tableSize,
		})
		if err != nil {
			return fmt.Errorf("open the log %s of a sandbox: %w", stream, err)
		}
		s.folds[stream] = fold
		if err := fill(ctx, fold, from, stream); err != nil {
			return fmt.Errorf("begin the log %s of a sandbox: %w", stream, err)
		}
		d := &door{table: from.Table, fold: fold, causes: s.folds[proto.StreamEvents], clock: &s.clock}
		all[stream] = logs.Log{Fold: fold, Submit: d.Submit, Parent: from.Folds[stream]}
	}
	var err error
	s.logs, err = logs.New(logs.Config{Name: s.cfg.Name, Now: s.clock.Now, Table: from.Table, Logs: all})
	return err
}

// fill brings what a log's objects were then. Of notes and leases not all of the
// past is kept: where it is not, there are none.
func fill(ctx context.Context, into *projections.Projection, from Source, stream string) error {
	fold, seq := from.Folds[stream], from.Seq
	if fold == nil {
		return nil
	}
	if stream != proto.StreamEvents {
		var err error
		if seq, err = fold.SeqAt(from.Time); err != nil {
			return err
		}
	}
	if seq == 0 {
		return nil
	}
	position, _, err := fold.PositionAt(seq)
	if err == nil {
		err = into.Seed(position, fold.Records(ctx, seq))
	}
	if stream != proto.StreamEvents && errors.Is(err, projections.ErrTooOld) {
		return nil
	}
	return err
}
