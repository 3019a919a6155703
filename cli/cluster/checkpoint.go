package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"segno/cli/api/history"
	"segno/cli/checkpoint"
	"segno/proto"
)

// checkpointPeriod is how often a checkpoint is kept while something happens.
const checkpointPeriod = time.Hour

// signatory signs what the log is.
type signatory struct {
	key  checkpoint.Key
	kept *checkpoint.Kept
	last covered // by the one kept last; of the loop, and then of the end
}

// covered is what a checkpoint reaches: a transaction, and a message of the audit.
type covered struct{ seq, audit proto.Seq }

// openSignatory reads or makes the key. A cluster in memory has one of its own.
func (c *Cluster) openSignatory() (err error) {
	if c.cfg.DataDir == "" {
		c.signatory = &signatory{kept: checkpoint.In("")}
		c.signatory.key, err = checkpoint.NewKey(c.origin())
		return err
	}
	c.signatory = &signatory{kept: checkpoint.In(filepath.Join(c.cfg.DataDir, "checkpoints"))}
	if c.signatory.key, err = checkpoint.KeptKey(filepath.Join(c.cfg.DataDir, "pki"), c.origin()); err != nil {
		return err
	}
	all, err := c.signatory.kept.All()
	if err != nil || len(all) == 0 {
		return err
	}
	if newest, err := checkpoint.Open(all[len(all)-1], c.signatory.key.Public); err == nil {
		c.signatory.last = covered{newest.Seq, newest.Audit}
	}
	return nil
}

// origin names the cluster to the outside: its name, and what tells it from
// others of that name when it is kept on disk.
func (c *Cluster) origin() string {
	name := "segno/" + c.cfg.Name
	if c.authority != nil {
		name += "/" + c.scope()
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '+' {
			return '-' // a key's name has none of them
		}
		return r
	}, name)
}

// Checkpoint implements api.Checkpoints.
func (c *Cluster) Checkpoint(ctx context.Context, at proto.Seq) ([]byte, error) {
	if err := c.audit.Flush(ctx); err != nil { // what was asked until now is covered
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	if at == 0 {
		at = c.ledgers.events().Position().Seq
	}
	return c.sign(at)
}

func (c *Cluster) sign(at proto.Seq) ([]byte, error) {
	fold := c.ledgers.events()
	encoded, err := fold.Encoded(at)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	state, err := fold.StateHashAt(at)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	audit := c.audit.Head()
	return c.signatory.key.Sign(checkpoint.Checkpoint{
		Seq: at, Hash: proto.HashOf(encoded), State: state, Time: time.Now(), Stream: proto.StreamEvents, Audit: audit.Seq, AuditHash: audit.Hash,
	})
}

// Checkpoints implements api.Checkpoints.
func (c *Cluster) Checkpoints(context.Context) (history.Checkpoints, error) {
	out := history.Checkpoints{Key: c.signatory.key.Public, Checkpoints: []history.Checkpoint{}}
	all, err := c.signatory.kept.All()
	for _, note := range all {
		shown := history.Checkpoint{Note: string(note)}
		if is, err := checkpoint.Open(note, c.signatory.key.Public); err != nil {
			shown.Wrong = err.Error()
		} else {
			if is.Audit > 0 {
				shown.Audit, shown.AuditHash = is.Audit, is.AuditHash.String()
			}
			shown.Seq, shown.Time, shown.Hash, shown.State, shown.Stream = is.Seq, is.Time, is.Hash.String(), is.State.String(), is.Stream
		}
		out.Checkpoints = append(out.Checkpoints, shown)
	}
	return out, err
}

// keepCheckpoints keeps one every hour in which something happened.
func (c *Cluster) keepCheckpoints(ctx context.Context) error {
	tick := time.NewTicker(checkpointPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := c.keepCheckpoint(); err != nil {
				return err
			}
		}
	}
}

// keepCheckpoint keeps one, if something has happened since the last.
func (c *Cluster) keepCheckpoint() error {
	at := covered{c.ledgers.events().Position().Seq, c.audit.Head().Seq}
	if at == c.signatory.last || at.seq == 0 {
		return nil
	}
	note, err := c.sign(at.seq)
	if err != nil {
		return err
	}
	if err := c.signatory.kept.Append(note); err != nil {
		return err
	}
	c.signatory.last = at
	return nil
}
