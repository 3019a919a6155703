package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"segno/bus"
	"segno/projections"
	"segno/proto"
)

// refoldGroup is how many transactions are folded in one batch.
const refoldGroup = 1024

// refolding folds a stopped cluster's events again, one after the other.
type refolding struct {
	fold  *projections.Projection
	at    proto.Position
	group []proto.Entry
}

// refoldData folds what was archived, and what the log has behind it. missing
// says what neither has of what was acknowledged, "" that nothing is missing.
func refoldData(ctx context.Context, dir string, fold *projections.Projection, files bus.FilesConfig, log *slog.Logger) (missing string, err error) {
	kept, err := bus.ReadKept(files.Anchor)
	if err != nil {
		return "", err
	}
	keeping, err := keptKeeping(dir)
	if err != nil {
		return "", err
	}
	r := &refolding{fold: fold}
	if kept.First > 1 {
		place, err := keeping.archives(dir, log)
		if err != nil {
			return "", err
		}
		if err := place.Read(ctx, kept.Archived, r.archived); err != nil {
			return err.Error(), ctx.Err()
		}
	}
	if err := r.flush(); err != nil {
		return "", err
	}
	files.Each = r.add
	report, err := bus.VerifyFiles(ctx, files)
	if err == nil {
		err = r.flush()
	}
	switch {
	case err != nil:
		return "", err
	case report.Damage != nil:
		return report.Damage.Error(), nil
	case r.at.Seq < kept.Last:
		return fmt.Sprintf("transaction %s is missing: the log and its archives end before it, at %s were acknowledged", r.at.Seq+1, kept.Last), nil
	}
	return "", nil
}

// halfSuffix is what a fold is called that is thrown away.
const halfSuffix = ".half"

// discardHalf throws away a fold that was being made of archives again when that
// was cut short: it ends before the log begins, and is made anew.
func (c *Cluster) discardHalf(cfg projections.Config) error {
	kept, err := bus.ReadKept(anchorFile(c.cfg.DataDir, proto.StreamEvents))
	if err != nil || !kept.Refolding {
		return err
	}
	if err := os.RemoveAll(cfg.Dir + halfSuffix); err != nil {
		return fmt.Errorf("remove what was folded in part: %w", err)
	}
	if _, err := os.Stat(cfg.Dir); errors.Is(err, fs.ErrNotExist) || kept.Archived.Seq == 0 {
		return nil
	}
	fold, err := projections.Open(cfg)
	if err != nil {
		return err
	}
	at := fold.Position()
	if err := fold.Close(); err != nil || at.Seq >= kept.Archived.Seq {
		return err
	}
	c.log.Info("the fold was made of archives in part only; it is made anew", "upTo", at.Seq)
	if err := os.Rename(cfg.Dir, cfg.Dir+halfSuffix); err != nil { // in one step: half a folder is no fold
		return fmt.Errorf("put away what was folded in part: %w", err)
	}
	if err := os.RemoveAll(cfg.Dir + halfSuffix); err != nil {
		return fmt.Errorf("remove what was folded in part: %w", err)
	}
	return nil
}

// archived takes a transaction out of an archive.
func (r *refolding) archived(seq proto.Seq, encoded []byte) error {
	env, err := proto.Decode(encoded)
	if err != nil {
		return fmt.Errorf("transaction %s: %w", seq, err)
	}
	if env.Seq != seq || env.Prev != r.at.Hash {
		return fmt.Errorf("transaction %s does not follow the one before it", seq)
	}
	return r.add(proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)})
}

func (r *refolding) add(entry proto.Entry) error {
	r.at = proto.Position{Seq: entry.Envelope.Seq, Hash: entry.Hash}
	if r.group = append(r.group, entry); len(r.group) < refoldGroup {
		return nil
	}
	return r.flush()
}

func (r *refolding) flush() error {
	if len(r.group) == 0 {
		return nil
	}
	if err := r.fold.Commit(r.group, nil); err != nil {
		return fmt.Errorf("fold the log again: %w", err)
	}
	r.group = nil
	return nil
}
