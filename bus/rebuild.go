package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"segno/proto"
)

// rebuild writes the whole epoch again from the fold, and keeps the damaged one
// aside. It may be interrupted at any point: the next start finds a log that
// lost its end.
func (r *repairer) rebuild(ctx context.Context, why *damage) error {
	first, end := r.oldest(r.fold.Position()), r.part.end(r.fold.Position().Seq)
	r.slog.Error("the log is damaged; writing it again from the fold", "where", r.dir, "damage", why.Error(), "transactions", end-first+1)
	if err := r.whole(ctx, first); err != nil {
		return fmt.Errorf("the log in %s is damaged at %w, and cannot be repaired from the fold: %w. %s", r.dir, why, err, advice)
	}
	kept, err := r.keepAside(why.seq)
	if err != nil {
		return fmt.Errorf("keep the damaged log of %s aside: %w", r.dir, err)
	}
	if err := r.renew(ctx, first); err != nil {
		return err
	}
	if err := r.append(ctx, first, end); err != nil {
		return err
	}
	r.slog.Warn("the log is whole again", "transactions", end-first+1, "damaged one kept in", kept)
	return nil
}

// renew takes the stream away and makes an empty one.
func (r *repairer) renew(ctx context.Context, first proto.Seq) error {
	if r.dir != "" {
		// The server removes the folder above a deleted stream some time later if
		// it is empty: under the hands of the new stream, unless something is there.
		// It removes names with a dot itself at its start.
		hold := filepath.Join(filepath.Dir(r.dir), ".rebuilding")
		if err := os.MkdirAll(hold, 0o750); err != nil {
			return fmt.Errorf("take the damaged log away: %w", err)
		}
		defer os.Remove(hold)
	}
	if err := r.log.js.DeleteStream(ctx, r.log.name); err != nil {
		return fmt.Errorf("take the damaged log away: %w", err)
	}
	_, err := r.log.ensure(ctx, first)
	return err
}

// extend writes the end that the log lost. A server that noticed only while it
// read that a block is damaged may not know itself where its log ends, and
// refuses: then all of it is written again.
func (r *repairer) extend(ctx context.Context, from, to proto.Seq) error {
	err := r.append(ctx, from, to)
	if errors.Is(err, errRefused) {
		return r.rebuild(ctx, &damage{seq: from, want: "the end of the log", found: "what cannot be continued: " + err.Error()})
	}
	return err
}

// append writes transactions of the fold to the log, fenced as any other.
func (r *repairer) append(ctx context.Context, from, to proto.Seq) error {
	for seq := from; seq <= to; seq++ {
		encoded, err := r.fold.Encoded(seq)
		if err != nil {
			return fmt.Errorf("read transaction %s of the fold: %w", seq, err)
		}
		env, err := proto.Decode(encoded)
		if err != nil {
			return fmt.Errorf("transaction %s of the fold: %w", seq, err)
		}
		last := seq == to || (seq-from)%flightLength == flightLength-1
		subject := proto.LogSubject(r.log.name, firstKey(env))
		if err := r.line.publish(subject, proto.Entry{Envelope: env, Encoded: encoded}, last); err != nil {
			return err
		}
		if last {
			if err := r.line.wait(ctx, seq); err != nil {
				return err
			}
			r.tell(seq, to)
		}
	}
	return nil
}

// keepAside puts the log's files where NATS does not look, under a name that
// says what they are. They are linked, which takes no room; the server
// deletes its own names of them afterwards.
func (r *repairer) keepAside(seq proto.Seq) (string, error) {
	if r.dir == "" {
		return "", nil // it was in memory
	}
	name := fmt.Sprintf("damaged-%s-at-%s-%s", r.log.name, seq, time.Now().UTC().Format("20060102T150405.000000000Z"))
	target := filepath.Join(r.aside, name)
	return target, filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, inside)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		if err := os.Link(path, to); err == nil {
			return nil
		}
		return copyFile(path, to)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
