package cluster

import (
	"cmp"
	"context"
	"errors"

	"segno/bus"
	"segno/cli/api/history"
	"segno/cli/api/logs"
	"segno/cli/archives"
	"segno/projections"
	"segno/proto"
)

// proveFiles compares a running log's files, and those of what was archived of it,
// with its fold.
func (c *Cluster) proveFiles(ctx context.Context, l *ledger, progress func(done, total int)) (logs.Files, error) {
	found, err := filesFound(l.door.VerifyFiles(ctx, progress))
	if err != nil || l.stream != proto.StreamEvents {
		return found, err
	}
	list, err := l.door.Epochs(ctx)
	if err != nil {
		return found, err
	}
	p := archiveProof{place: c.archives, fold: l.fold, end: list[0].First - 1, progress: progress}
	err = p.run(ctx, &found)
	return found, err
}

// proveArchived does so for what was archived of a stopped one.
func proveArchived(ctx context.Context, dir string, fold *projections.Projection, files bus.FilesConfig, found *logs.Files) error {
	if files.Stream != proto.StreamEvents {
		return nil
	}
	kept, err := bus.ReadKept(files.Anchor)
	if err != nil {
		return err
	}
	keeping, err := keptKeeping(dir)
	if err != nil {
		return err
	}
	place, err := keeping.archives(dir, nil)
	if err != nil {
		return err
	}
	p := archiveProof{place: place, fold: fold, end: kept.First - 1, progress: files.Progress}
	return p.run(ctx, found)
}

// archiveProof is about the files up to a transaction.
type archiveProof struct {
	place    *archives.Archives
	fold     *projections.Projection
	end      proto.Seq
	progress func(done, total int)
}

// run reads the files to their ends: they must be linked to the log, and come to
// the states that the fold has.
func (p archiveProof) run(ctx context.Context, found *logs.Files) error {
	if p.end == 0 {
		return nil
	}
	end, _, err := p.fold.PositionAt(p.end)
	if err != nil {
		return err
	}
	proof, err := p.place.Prove(ctx, end, func(left proto.Seq) { p.progress(int(p.end-left), int(p.end)) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		found.Problem = cmp.Or(found.Problem, err.Error())
		return nil
	}
	for _, f := range proof.Files {
		_, state, err := p.fold.PositionAt(f.To)
		if err == nil && f.State != state.String() {
			err = errors.New("the archive " + f.Name + " in " + p.place.Place() + " says another state after transaction " + f.To.String() + " than the log leads to: it was made by another version of segno, or changed")
		}
		if err != nil {
			found.Problem = cmp.Or(found.Problem, err.Error())
		}
	}
	found.Archived = &history.Archived{Files: len(proof.Files), Last: p.end, Others: proof.Others}
	return nil
}
