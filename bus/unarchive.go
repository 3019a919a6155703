package bus

import (
	"context"

	"segno/proto"
)

// unarchive folds what comes before the log's first epoch.
func (r *repairer) unarchive(ctx context.Context, oldest part, have map[uint32]found) error {
	if oldest.first == 1 {
		return nil
	}
	missing := &damage{seq: max(r.anchor.From, 1), want: "this transaction", found: "a log that begins with " + oldest.first.String()}
	if r.archive == nil {
		return r.lost(missing)
	}
	end, err := r.archived(ctx, oldest, have[oldest.number])
	if err != nil {
		return err
	}
	err = r.catchUp(ctx, func(ctx context.Context, _, _ proto.Seq, each func(proto.Seq, []byte) error) error {
		return r.archive(ctx, end, each)
	}, proto.Position{}, 1, end.Seq)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && oldest.first > missing.seq:
		return r.lost(missing) // nothing says that it was archived
	default:
		return r.lost(err)
	}
}

// archived is what the log goes on behind: the anchor says its hash, or the
// log's first transaction; a zero hash where neither does.
func (r *repairer) archived(ctx context.Context, oldest part, have found) (proto.Position, error) {
	end := r.anchor.archived()
	if end.Seq != oldest.first-1 {
		end = proto.Position{Seq: oldest.first - 1}
	}
	if !end.Hash.IsZero() || have.messages == 0 || have.first != oldest.first {
		return end, nil
	}
	stream, err := r.journal.stream(oldest.number)
	if err != nil {
		return end, err
	}
	err = stream.read(ctx, oldest.first, oldest.first, func(_ proto.Seq, data []byte) error {
		if env, err := proto.Decode(data); err == nil { // otherwise it is found damaged when it is folded
			end.Hash = env.Prev
		}
		return nil
	})
	if isDamage(err) {
		err = nil // so, too
	}
	return end, err
}
