package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"

	"segno/proto"
)

// effort is how much is compared before the first write: all of a log up to
// this size, the tail of a larger one. Its rest is compared while the cluster runs.
type effort struct {
	messages, bytes, tail uint64
}

var usualEffort = effort{messages: 200_000, bytes: 256 << 20, tail: 4096}

// repairer brings log and fold to the same, at start, or says why it cannot.
//
// The fold is what was acknowledged: nothing is answered before it is there.
// The log may be ahead of it by what nobody was told of, may be behind after a
// power loss, and may be damaged. So the log is mended from the fold, never the
// other way, except that a fold that is behind catches up. A fold that was
// deleted is folded again; then the log and the anchor are all there is, and
// whatever is wrong with them stops the start.
type repairer struct {
	log      *stream
	line     *line
	fold     Fold
	dir      string // of the log's files, for people
	aside    string // folder into which a damaged log is put
	effort   effort
	anchor   anchor
	file     string // of the anchor
	progress func(done, total proto.Seq)
	slog     *slog.Logger
}

// repair compares the log with the fold before the first write, and answers
// up to which sequence it is still to be compared: 0 is nothing.
func (r *repairer) repair(ctx context.Context) (proto.Seq, error) {
	at := r.fold.Position()
	if err := r.checkFold(at); err != nil {
		return 0, err
	}
	have, err := r.log.ensure(ctx, r.oldest(at))
	if err != nil {
		return 0, err
	}
	if reach := max(have.last, at.Seq); reach < r.anchor.Seq {
		return 0, fmt.Errorf("the log in %s was cut short: it ends at transaction %s, but %s were acknowledged (%s says so). %s",
			r.dir, reach, r.anchor.Seq, r.file, advice+", or, to go on without what is lost, remove "+r.file)
	}
	if at.Seq == 0 {
		return 0, r.refold(ctx, have)
	}
	return r.mend(ctx, at, have)
}

// checkFold compares the fold with itself and with the anchor.
func (r *repairer) checkFold(at proto.Position) error {
	if at.Seq == 0 {
		return nil
	}
	for _, want := range []anchor{{Seq: at.Seq, Hash: hexHash(at.Hash)}, r.anchor} {
		if want.Seq == 0 || want.Seq > at.Seq {
			continue
		}
		encoded, err := r.fold.Encoded(want.Seq)
		if err != nil {
			if r.log.name != proto.StreamEvents && want.Seq != at.Seq {
				continue // the fold may have let go of old notes
			}
			return fmt.Errorf("read transaction %s of the fold: %w", want.Seq, err)
		}
		if hash := proto.HashOf(encoded); hexHash(hash) != want.Hash {
			return fmt.Errorf("the fold does not belong to this log: its transaction %s has hash %s, the one that was acknowledged %.16s…; delete the fold's folder and it is folded again from the log",
				want.Seq, short(hash), want.Hash)
		}
	}
	return nil
}

// oldest is the first transaction that the fold can give back. The events'
// fold has them all.
func (r *repairer) oldest(at proto.Position) proto.Seq {
	if r.log.name == proto.StreamEvents {
		return 1
	}
	gone := sort.Search(int(at.Seq), func(i int) bool {
		_, err := r.fold.Encoded(proto.Seq(i + 1))
		return err == nil
	})
	return proto.Seq(gone + 1)
}

// refold folds the whole log into an empty fold.
func (r *repairer) refold(ctx context.Context, have extent) error {
	if have.last == 0 || have.messages == 0 && r.log.name != proto.StreamEvents {
		return nil
	}
	if have.first != 1 && r.log.name == proto.StreamEvents {
		return r.lost(&damage{seq: 1, want: "the first transaction", found: "a log that begins with " + have.first.String()})
	}
	r.slog.Info("folding the whole log again", "transactions", have.messages)
	if err := r.refolding(true); err != nil {
		return err
	}
	if err := r.catchUp(ctx, proto.Position{}, have.first, have.last); err != nil {
		return r.lost(err)
	}
	return r.refolding(false)
}

// refolding notes in the anchor that the fold is not whole, or that it is again.
func (r *repairer) refolding(under bool) error {
	r.anchor.Refolding = under
	if r.file == "" {
		return nil
	}
	return r.anchor.write(r.file)
}

const advice = "Restore the data directory from a backup"

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
		err := r.catchUp(ctx, at, at.Seq+1, have.last)
		var d *damage
		if errors.As(err, &d) && d.seq > r.anchor.Seq && !r.anchor.Refolding {
			return 0, r.rebuild(ctx, d) // nobody was told of what lies behind
		}
		if err != nil {
			return 0, r.lost(err)
		}
		if r.anchor.Refolding {
			if err := r.refolding(false); err != nil {
				return 0, err
			}
		}
		r.slog.Info("the fold caught up with the log", "from", at.Seq, "to", have.last)
	}
	rest, err := r.compareStart(ctx, have, r.fold.Position().Seq)
	var d *damage
	if errors.As(err, &d) {
		now, err := r.log.ensure(ctx, 1)
		if err == nil && now.first > have.first && r.log.name != proto.StreamEvents {
			return r.mend(ctx, r.fold.Position(), now) // old notes ran out while they were compared
		}
		return 0, errors.Join(err, r.rebuild(ctx, d))
	}
	if err != nil {
		return 0, err
	}
	if have.last < at.Seq {
		r.slog.Warn("the log lost its end; writing it again from the fold", "from", have.last+1, "to", at.Seq)
		return rest, r.extend(ctx, have.last+1, at.Seq)
	}
	return rest, nil
}

// compareStart compares as much as a start may take and answers up to where
// the rest reaches.
func (r *repairer) compareStart(ctx context.Context, have extent, folded proto.Seq) (proto.Seq, error) {
	from, to := have.first, min(have.last, folded)
	if r.log.name != proto.StreamEvents {
		from = max(from, r.oldest(r.fold.Position())) // either may have let go of more than the other
	}
	if from > to && r.log.name != proto.StreamEvents {
		return 0, nil // everything there is has run out
	}
	if from > 1 && r.log.name == proto.StreamEvents && to > 0 {
		return 0, &damage{seq: 1, want: "the first transaction", found: "a log that begins with " + from.String()}
	}
	small := have.messages <= r.effort.messages && have.bytes <= r.effort.bytes
	if small || r.anchor.Suspect || uint64(to-from) < r.effort.tail {
		if err := r.compare(ctx, from, to); err != nil || !r.anchor.Suspect || r.dir == "" {
			return 0, err
		}
		return 0, r.compareFiles(ctx)
	}
	rest := to - proto.Seq(r.effort.tail)
	if err := r.compare(ctx, rest+1, to); err != nil || r.log.name != proto.StreamEvents {
		return 0, err
	}
	return rest, nil
}
