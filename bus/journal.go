package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"segno/proto"
)

// journal is a log as its epochs: one stream each, the next going on with the
// sequence where the one before ended. Only the newest is written; the others
// are sealed: nothing can be appended to them any more, by nobody.
type journal struct {
	name   string
	conn   *Conn
	memory bool
}

// stream is the stream of an epoch, whether there is one or not.
func (j *journal) stream(epoch uint32) (*stream, error) {
	return newStream(j.conn, proto.EpochStream(j.name, epoch), j.memory)
}

// part is an epoch of a log with the transactions that belong there.
type part struct {
	number uint32
	first  proto.Seq
	last   proto.Seq // 0 for the epoch that is written
}

// end is the last transaction of the part in a log that ends there.
func (p part) end(newest proto.Seq) proto.Seq {
	if p.last == 0 {
		return newest
	}
	return min(p.last, newest)
}

// found is an epoch's stream as the server has it.
type found struct {
	extent
	begin  proto.Seq // its first transaction, or the one that is to be
	sealed bool
}

// find answers the streams that there are.
func (j *journal) find(ctx context.Context) (map[uint32]found, error) {
	probe, err := j.stream(0)
	if err != nil {
		return nil, err
	}
	out := map[uint32]found{}
	err = patiently(ctx, func(ctx context.Context) error {
		clear(out)
		list := probe.js.ListStreams(ctx)
		for info := range list.Info() {
			if epoch, is := proto.ParseEpoch(j.name, info.Config.Name); is {
				f := found{extent: extentOf(info.State), sealed: info.Config.Sealed}
				f.begin = max(1, proto.Seq(info.Config.FirstSeq), f.first)
				out[epoch] = f
			}
		}
		return list.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the epochs of the log %s: %w", j.name, err)
	}
	return out, nil
}

// seal ends an epoch for ever, unless it has ended. What is in its files is on
// disk before.
func (j *journal) seal(ctx context.Context, epoch uint32, dir string) error {
	s, err := j.stream(epoch)
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error {
		have, err := s.js.Stream(ctx, s.name)
		if err != nil {
			return err
		}
		cfg := have.CachedInfo().Config
		if cfg.Sealed {
			return nil
		}
		if err := syncBlocks(dir); err != nil {
			return err
		}
		cfg.Sealed = true
		_, err = s.js.UpdateStream(ctx, cfg)
		return err
	})
	if err != nil {
		return fmt.Errorf("seal %s: %w", s.name, err)
	}
	return nil
}

// drop takes an epoch's stream away, if it is there.
func (j *journal) drop(ctx context.Context, epoch uint32) error {
	s, err := j.stream(epoch)
	if err != nil {
		return err
	}
	err = patiently(ctx, func(ctx context.Context) error { return s.js.DeleteStream(ctx, s.name) })
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("drop %s: %w", s.name, err)
	}
	return nil
}

// syncBlocks brings an epoch's end to the disk, which the server does up to a
// second later. dir is "" for a log in memory.
func syncBlocks(dir string) error {
	if dir == "" {
		return nil
	}
	blocks, err := blocksOf(dir)
	if err != nil {
		return err
	}
	for _, b := range blocks[max(0, len(blocks)-2):] { // the others were synced when they were full
		file, err := os.Open(b.path)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// folded answers the epochs that the fold has transactions of, oldest first.
func (r *repairer) folded(at proto.Position) ([]part, error) {
	epochOf := func(seq proto.Seq) (uint32, error) {
		encoded, err := r.fold.Encoded(seq)
		if err != nil {
			return 0, fmt.Errorf("read transaction %s of the fold: %w", seq, err)
		}
		env, err := proto.Decode(encoded)
		if err != nil {
			return 0, fmt.Errorf("transaction %s of the fold: %w", seq, err)
		}
		return env.Epoch, nil
	}
	var out []part
	for end := at.Seq; end > 0; {
		number, err := epochOf(end)
		if err != nil {
			return nil, err
		}
		low, high := proto.Seq(1), end // the first of the epoch lies between, both included
		for low < high {
			middle := low + (high-low)/2
			other, err := epochOf(middle)
			switch {
			case err != nil:
				return nil, err
			case other < number:
				low = middle + 1
			default:
				high = middle
			}
		}
		out = append(out, part{number: number, first: low})
		end = low - 1
	}
	slices.Reverse(out)
	return out, nil
}

// streams answers those that there are. A stream whose files lie there, but
// which the server does not know since what it kept beside them is gone or
// damaged, is found once it is made again.
func (r *repairer) streams(ctx context.Context) (map[uint32]found, error) {
	have, err := r.journal.find(ctx)
	if err != nil || r.journal.memory {
		return have, err
	}
	folders, err := epochsIn(r.aside, r.journal.name)
	if err != nil {
		return nil, err
	}
	var unknown []uint32
	for _, number := range folders {
		blocks, err := blocksOf(r.server.streamDir(proto.EpochStream(r.journal.name, number)))
		if err != nil {
			return nil, err
		}
		if _, known := have[number]; known || len(blocks) == 0 {
			continue
		}
		s, err := r.journal.stream(number)
		if err != nil {
			return nil, err
		}
		if _, err := s.ensure(ctx, 1); err != nil {
			return nil, err
		}
		unknown = append(unknown, number)
	}
	if len(unknown) == 0 {
		return have, nil
	}
	if have, err = r.journal.find(ctx); err != nil {
		return nil, err
	}
	for _, number := range unknown {
		if have[number].messages > 0 || number == 0 {
			continue
		}
		if err := r.journal.drop(ctx, number); err != nil { // nothing could be read
			return nil, err
		}
		delete(have, number)
	}
	return have, nil
}

// layout answers the epochs that the log must have, oldest first: those of the
// fold, and behind them those that the server has. Which came first, a fold
// that is behind or a roll that was interrupted, makes no difference.
func (r *repairer) layout(ctx context.Context, at proto.Position) ([]part, map[uint32]found, error) {
	have, err := r.streams(ctx)
	if err != nil {
		return nil, nil, err
	}
	parts, err := r.folded(at)
	if err != nil {
		return nil, nil, err
	}
	for _, number := range slices.Sorted(maps.Keys(have)) {
		if len(parts) == 0 || number > parts[len(parts)-1].number {
			parts = append(parts, part{number: number, first: have[number].begin})
		}
	}
	if len(parts) == 0 {
		parts = []part{{first: max(1, r.anchor.From)}}
	}
	for i := range parts[1:] {
		if before, next := &parts[i], parts[i+1]; next.number != before.number+1 || next.first <= before.first {
			return nil, nil, r.lost(&damage{
				seq: before.first, want: fmt.Sprintf("epoch %d to follow epoch %d", before.number+1, before.number),
				found: fmt.Sprintf("epoch %d, from transaction %s on", next.number, next.first),
			})
		} else {
			before.last = next.first - 1
		}
	}
	newest := &parts[len(parts)-1]
	if f := have[newest.number]; f.sealed { // a roll was interrupted
		newest.last = max(f.last, at.Seq)
		parts = append(parts, part{number: newest.number + 1, first: newest.last + 1})
	}
	return r.undropped(ctx, parts, have)
}

// undropped leaves out the epochs that were dropped, and finishes an
// interrupted drop.
func (r *repairer) undropped(ctx context.Context, parts []part, have map[uint32]found) ([]part, map[uint32]found, error) {
	for len(parts) > 1 && parts[0].last < r.anchor.From {
		if _, there := have[parts[0].number]; there {
			if err := r.journal.drop(ctx, parts[0].number); err != nil {
				return nil, nil, err
			}
			r.slog.Info("an epoch that was archived is dropped now", "epoch", parts[0].number, "stream", proto.EpochStream(r.journal.name, parts[0].number))
		}
		parts = parts[1:]
	}
	return parts, have, nil
}
