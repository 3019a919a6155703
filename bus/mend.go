package bus

import (
	"context"
	"errors"
	"fmt"

	"segno/proto"
)

// compareSealed compares how far the epoch reaches, and unless the log is large
// all of it.
func (r *repairer) compareSealed(ctx context.Context, have extent) error {
	switch {
	case have.first != r.part.first:
		return &damage{seq: r.part.first, want: "the first transaction of the epoch", found: "a stream that begins with " + have.first.String()}
	case have.last > r.part.last:
		return &damage{seq: r.part.last, want: "the end of the epoch", found: "more, up to " + have.last.String()}
	case r.partly && !r.anchor.Suspect:
		return nil
	default:
		return r.compare(ctx, r.part.first, have.last)
	}
}

// refold folds the first epoch into an empty fold.
func (r *repairer) refold(ctx context.Context, have extent) error {
	if have.last == 0 || have.messages == 0 && r.retained() {
		return nil
	}
	if have.first != r.part.first && !r.retained() {
		return r.lost(&damage{seq: r.part.first, want: "the first transaction", found: "a log that begins with " + have.first.String()})
	}
	if err := r.refolding(true); err != nil {
		return err
	}
	if err := r.catchUp(ctx, r.log.read, proto.Position{}, have.first, have.last); err != nil {
		return r.lost(err)
	}
	return r.refolding(false)
}

// refolding notes in the anchor that the fold is not whole, or that it is again.
func (r *repairer) refolding(under bool) error {
	if r.anchor.Refolding == under {
		return nil
	}
	r.anchor.Refolding = under
	if r.file == "" {
		return nil
	}
	return r.anchor.write(r.file)
}

// lost says what to do about a damage that cannot be mended.
func (r *repairer) lost(err error) error {
	if !isDamage(err) {
		return err
	}
	return fmt.Errorf("the log in %s is damaged at %w; it cannot be repaired, since the fold ends at transaction %s. %s",
		r.dir, err, r.fold.Position().Seq, advice)
}

// mend makes the log what the fold is, after the fold has caught up.
func (r *repairer) mend(ctx context.Context, at proto.Position, have extent) (proto.Seq, error) {
	if have.last > at.Seq {
		err := r.catchUp(ctx, r.log.read, at, at.Seq+1, have.last)
		var d *damage
		if errors.As(err, &d) && d.seq > r.anchor.Seq && !r.anchor.Refolding {
			return 0, r.rebuild(ctx, d) // nobody was told of what lies behind
		}
		if err != nil {
			return 0, r.lost(err)
		}
		r.slog.Info("the fold caught up with the log", "from", at.Seq, "to", have.last)
	}
	rest, err := r.compareStart(ctx, have, r.fold.Position().Seq)
	var d *damage
	if errors.As(err, &d) {
		now, err := r.log.ensure(ctx, 1)
		if err == nil && now.first > have.first && r.retained() {
			return r.mend(ctx, r.fold.Position(), now) // old notes ran out while they were compared
		}
		return 0, errors.Join(err, r.rebuild(ctx, d))
	}
	if err != nil {
		return 0, err
	}
	if have.last < at.Seq {
		r.sayExtend("the log lost its end; writing it again from the fold", "from", have.last+1, "to", at.Seq)
		return rest, r.extend(ctx, have.last+1, at.Seq)
	}
	return rest, nil
}

// compareStart compares as much as a start may take and answers up to where
// the rest reaches.
func (r *repairer) compareStart(ctx context.Context, have extent, folded proto.Seq) (proto.Seq, error) {
	from, to := have.first, min(have.last, folded)
	if r.retained() {
		from = max(from, r.oldest(r.fold.Position())) // either may have let go of more than the other
	}
	if from > r.part.first && !r.retained() && folded >= r.part.first {
		return 0, &damage{seq: r.part.first, want: "the first transaction", found: "a log that begins with " + from.String()}
	}
	tail := proto.Seq(r.effort.tail)
	if !r.retained() && r.partly && !r.anchor.Suspect && to > tail {
		rest := max(to-tail, r.part.first-1) // sealed epochs were not compared at all
		return rest, r.compare(ctx, max(from, rest+1), to)
	}
	if small := have.messages <= r.effort.messages && have.bytes <= r.effort.bytes; r.retained() && !small && to > tail {
		from = max(from, to-tail+1)
	}
	return 0, r.compare(ctx, from, to)
}

// mendFiles is for a log of which a byte on disk was found changed: what the
// server answers is right by now, but it may not look at all.
func (r *repairer) mendFiles(ctx context.Context, parts []part) error {
	if r.retained() {
		parts = parts[:1]
	}
	for range parts {
		report, err := VerifyFiles(ctx, FilesConfig{StoreDir: r.aside, Stream: r.journal.name, Fold: r.fold, from: parts[0].first, running: true})
		if err != nil || report.Damage == nil {
			return err
		}
		for _, p := range parts {
			if report.Damage.Seq > p.end(report.Damage.Seq) {
				continue
			}
			own, err := r.of(p)
			if err != nil {
				return err
			}
			err = own.rebuild(ctx, &damage{seq: report.Damage.Seq, want: "the record that was written", found: report.Damage.What})
			if err == nil && p.last != 0 {
				err = r.journal.seal(ctx, p.number, own.dir)
			}
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}
