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
	journal  *journal
	part     part    // the epoch in hand
	log      *stream // its stream
	line     *line
	fold     Fold
	dir      string // of its files, for people
	server   *Server
	aside    string // folder into which a damaged log is put
	archive  Archive
	effort   effort
	partly   bool // the log is too large to be compared whole before the first write
	anchor   anchor
	file     string // of the anchor
	progress func(done, total proto.Seq)
	slog     *slog.Logger
}

// of is the repairer of one epoch.
func (r *repairer) of(p part) (*repairer, error) {
	own := *r
	own.part = p
	var err error
	if own.log, err = r.journal.stream(p.number); err != nil {
		return nil, err
	}
	if !own.log.memory {
		own.dir = r.server.streamDir(own.log.name)
	}
	return &own, nil
}

// retained tells that the log's beginning runs out in time: such a log has one
// epoch.
func (r *repairer) retained() bool { return r.journal.name != proto.StreamEvents }

// repair compares the log with the fold before the first write. It answers the
// log's epochs, the last of which is to be written, and up to which sequence
// the log is still to be compared: 0 is nothing.
func (r *repairer) repair(ctx context.Context) ([]part, proto.Seq, error) {
	at := r.fold.Position()
	if err := r.checkFold(at); err != nil {
		return nil, 0, err
	}
	parts, err := r.prepare(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	rest, err := r.each(ctx, parts)
	if err == nil {
		err = r.refolding(false)
	}
	if err != nil {
		return nil, 0, err
	}
	if r.anchor.Suspect && !r.journal.memory {
		return parts, 0, r.mendFiles(ctx, parts)
	}
	return parts, rest, nil
}

// each brings one epoch after the other to what it must be.
func (r *repairer) each(ctx context.Context, parts []part) (rest proto.Seq, err error) {
	for i, p := range parts {
		own, err := r.of(p)
		if err != nil {
			return 0, err
		}
		if i == len(parts)-1 {
			return own.current(ctx)
		}
		if err := own.settle(ctx); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// prepare answers the epochs of the log. One that is about to be folded from
// nothing is marked, and what was archived of it is folded.
func (r *repairer) prepare(ctx context.Context, at proto.Position) ([]part, error) {
	if r.retained() {
		return []part{{first: r.oldest(at)}}, nil
	}
	parts, have, err := r.layout(ctx, at)
	if err != nil {
		return nil, err
	}
	var total extent
	for _, f := range have {
		total.last, total.messages, total.bytes = max(total.last, f.last), total.messages+f.messages, total.bytes+f.bytes
	}
	r.partly = total.messages > r.effort.messages || total.bytes > r.effort.bytes
	if at.Seq > 0 || total.messages == 0 && parts[0].first == 1 {
		return parts, nil
	}
	r.slog.Info("folding the whole log again", "transactions", max(total.last, parts[0].first-1))
	if err := r.refolding(true); err != nil {
		return nil, err
	}
	return parts, r.unarchive(ctx, parts[0].first)
}

// reaches refuses a log that ends before what was acknowledged.
func (r *repairer) reaches(end proto.Seq) error {
	if end >= r.anchor.Seq {
		return nil
	}
	return fmt.Errorf("the log in %s was cut short: it ends at transaction %s, but %s were acknowledged (%s says so). %s",
		r.dir, end, r.anchor.Seq, r.file, advice+", or, to go on without what is lost, remove "+r.file)
}

// unarchive folds what comes before the log's first transaction.
func (r *repairer) unarchive(ctx context.Context, first proto.Seq) error {
	if first == 1 {
		return nil
	}
	if r.archive == nil {
		return r.lost(&damage{seq: 1, want: "the first transaction", found: "a log that begins with " + first.String()})
	}
	if err := r.catchUp(ctx, r.archive, proto.Position{}, 1, first-1); err != nil {
		return r.lost(err)
	}
	return nil
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
			if r.retained() && want.Seq != at.Seq {
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

// oldest is the first transaction of the epoch that the fold can give back. The
// events' fold has them all.
func (r *repairer) oldest(at proto.Position) proto.Seq {
	if !r.retained() {
		return r.part.first
	}
	gone := sort.Search(int(at.Seq), func(i int) bool {
		_, err := r.fold.Encoded(proto.Seq(i + 1))
		return err == nil
	})
	return proto.Seq(gone + 1)
}

// current brings the epoch that is written, and the fold, to the same.
func (r *repairer) current(ctx context.Context) (proto.Seq, error) {
	at := r.fold.Position()
	have, err := r.log.ensure(ctx, r.oldest(at))
	if err != nil {
		return 0, err
	}
	if err := r.reaches(max(have.last, at.Seq)); err != nil {
		return 0, err
	}
	if at.Seq == 0 {
		return 0, r.refold(ctx, have)
	}
	return r.mend(ctx, at, have)
}

// settle makes a sealed epoch what it was when it ended. All of it was
// acknowledged; a fold that is behind catches up with it first.
func (r *repairer) settle(ctx context.Context) error {
	have, err := r.log.ensure(ctx, r.part.first)
	if err != nil {
		return err
	}
	if err := r.reach(ctx, have); err != nil {
		return r.lost(err)
	}
	err = r.compareSealed(ctx, have)
	var d *damage
	switch {
	case errors.As(err, &d):
		err = r.rebuild(ctx, d)
	case err == nil && have.last < r.part.last:
		r.slog.Warn("an epoch lost its end; writing it again from the fold", "epoch", r.part.number, "from", have.last+1, "to", r.part.last)
		err = r.extend(ctx, have.last+1, r.part.last)
	}
	if err != nil {
		return err
	}
	return r.journal.seal(ctx, r.part.number, r.dir)
}

// reach folds the epoch up to its end.
func (r *repairer) reach(ctx context.Context, have extent) error {
	at := r.fold.Position()
	end := r.part.end(have.last)
	if at.Seq < end && have.first > max(at.Seq+1, r.part.first) {
		return &damage{seq: at.Seq + 1, want: "a transaction", found: "an epoch that begins with " + have.first.String()}
	}
	if at.Seq < end {
		if err := r.catchUp(ctx, r.log.read, at, at.Seq+1, end); err != nil {
			return err
		}
	}
	if now := r.fold.Position().Seq; now < r.part.last {
		return &damage{seq: now + 1, want: "a transaction", found: "the end of the epoch's stream"}
	}
	return nil
}

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
		r.slog.Warn("the log lost its end; writing it again from the fold", "from", have.last+1, "to", at.Seq)
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
		report, err := VerifyFiles(ctx, FilesConfig{StoreDir: r.aside, Stream: r.journal.name, Fold: r.fold, from: parts[0].first})
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
