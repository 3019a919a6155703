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
	return parts, r.unarchive(ctx, parts[0], have)
}

// sayExtend says that an end is written: a loss, unless the log was restored.
func (r *repairer) sayExtend(loss string, about ...any) {
	if r.anchor.restored(r.fold.Position()) {
		r.slog.Info("the log is written from the restored state", append(about, "backup", r.anchor.Restored)...)
		return
	}
	r.slog.Warn(loss, about...)
}

// reaches refuses a log that ends before what was acknowledged.
func (r *repairer) reaches(end proto.Seq) error {
	if end >= r.anchor.Seq {
		return nil
	}
	return fmt.Errorf("the log in %s was cut short: it ends at transaction %s, but %s were acknowledged (%s says so). %s",
		r.dir, end, r.anchor.Seq, r.file, advice+", or, to go on without what is lost, remove "+r.file)
}

// checkFold compares the fold with itself and with the anchor.
func (r *repairer) checkFold(at proto.Position) error {
	if at.Seq == 0 {
		return nil
	}
	if at.Seq+1 < r.anchor.From {
		return fmt.Errorf("the fold ends at transaction %s, and the log begins with %s: what lies between was archived. Delete the fold's folder, and it is folded again from the archives and the log",
			at.Seq, r.anchor.From)
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
			if r.anchor.Restored != "" && want == r.anchor {
				return fmt.Errorf("the fold is not what was restored from %s: its transaction %s has hash %s, restored was %.16s…; restore the backup to a new data directory",
					r.anchor.Restored, want.Seq, short(hash), want.Hash)
			}
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
		r.sayExtend("an epoch lost its end; writing it again from the fold", "epoch", r.part.number, "from", have.last+1, "to", r.part.last)
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

const advice = "Restore the data directory from a backup"
