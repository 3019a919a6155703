package bus

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"segno/proto"
)

// link checks that encoded is the transaction that follows at, and answers it.
// An empty at accepts any first transaction: there is nothing to check it with.
func link(at proto.Position, seq proto.Seq, encoded []byte) (proto.Entry, error) {
	env, err := proto.Decode(encoded)
	if err != nil {
		return proto.Entry{}, &damage{seq: seq, want: "a transaction", found: err.Error()}
	}
	if env.Seq != seq {
		return proto.Entry{}, &damage{seq: seq, want: "its own transaction", found: "that of sequence " + env.Seq.String()}
	}
	if (at.Seq != 0 || seq == 1) && env.Prev != at.Hash {
		return proto.Entry{}, &damage{
			seq:   seq,
			want:  "a predecessor with hash " + short(at.Hash),
			found: "the mark of one with hash " + short(env.Prev),
		}
	}
	return proto.Entry{Envelope: env, Encoded: encoded, Hash: proto.HashOf(encoded)}, nil
}

// after is the position that the entry leads to.
func after(e proto.Entry) proto.Position {
	return proto.Position{Seq: e.Envelope.Seq, Hash: e.Hash, Term: e.Envelope.Term, At: e.Envelope.At}
}

func short(h proto.Hash) string { return hex.EncodeToString(h[:8]) + "…" }

// compare reads the log between from and to and checks each message with the
// fold's, byte by byte.
func (r *repairer) compare(ctx context.Context, from, to proto.Seq) error {
	return r.log.read(ctx, from, to, func(seq proto.Seq, data []byte) error {
		want, err := r.fold.Encoded(seq)
		if err != nil {
			return fmt.Errorf("read transaction %s of the fold: %w", seq, err)
		}
		if !bytes.Equal(want, data) {
			return &damage{seq: seq, want: "hash " + short(proto.HashOf(want)), found: "hash " + short(proto.HashOf(data))}
		}
		if seq%1024 == 0 || seq == to {
			r.tell(seq, to)
		}
		return nil
	})
}

// whole checks the fold's own chain between from and its end.
func (r *repairer) whole(ctx context.Context, from proto.Seq) error {
	end := r.fold.Position()
	if from > end.Seq {
		return nil
	}
	var at proto.Position
	for seq := from; seq <= end.Seq; seq++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		encoded, err := r.fold.Encoded(seq)
		if err != nil {
			return fmt.Errorf("read transaction %s of the fold: %w", seq, err)
		}
		entry, err := link(at, seq, encoded)
		if err != nil {
			return fmt.Errorf("the fold is damaged: %w", err)
		}
		at = after(entry)
	}
	if at.Hash != end.Hash {
		return fmt.Errorf("the fold is damaged: it says that transaction %s has hash %s, but it keeps one with hash %s", end.Seq, short(end.Hash), short(at.Hash))
	}
	return nil
}

// tell reports progress.
func (r *repairer) tell(done, total proto.Seq) {
	if r.progress != nil {
		r.progress(done, total)
	}
}

func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}
