package archives

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"segno/cli/archive"
	"segno/proto"
)

// names are those that a span may have: the second where something else lies at
// the first, which is left alone. They sort as the epochs do.
func names(span archive.Span, end proto.Hash) (usual, own string) {
	usual = fmt.Sprintf("%s-%020d-%020d", span.Stream, span.From, span.To)
	return usual + archive.Suffix, usual + "-" + end.Short() + archive.Suffix
}

// Keep writes a span of a log, whole, and reads it back. A file that is there
// already and holds the same is left as it is: a crash may have come in between.
func (a *Archives) Keep(ctx context.Context, cfg archive.Config) (File, error) {
	span := cfg.Spans[0]
	at, state, err := span.Fold.PositionAt(span.To)
	if err != nil {
		return File{}, fmt.Errorf("archive transactions %s to %s: %w", span.From, span.To, err)
	}
	store, err := a.open()
	if err != nil {
		return File{}, fmt.Errorf("archive transactions %s to %s in %s: %w", span.From, span.To, a.cfg.Place, err)
	}
	defer store.Close()
	usual, own := names(span, at.Hash)
	k := keeping{store: store, span: span, hash: at.Hash.String(), state: state.String()}
	file := File{Name: usual}
	if err = k.same(ctx, &file); errors.Is(err, errOther) {
		file = File{Name: own}
		err = k.same(ctx, &file)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOther) {
		err = k.write(ctx, &file, cfg)
	}
	if err != nil {
		return File{}, fmt.Errorf("archive transactions %s to %s in %s: %w", span.From, span.To, a.cfg.Place, err)
	}
	return file, nil
}

// errOther says that something else lies in the place of a file.
var errOther = errors.New("it holds something else")

// keeping is one file on its way.
type keeping struct {
	store       Store
	span        archive.Span
	hash, state string
}

// same reads a file to its end and compares what it came to.
func (k keeping) same(ctx context.Context, file *File) error {
	err := file.look(ctx, k.store)
	if err == nil && (file.From != k.span.From || file.To != k.span.To || file.Hash != "" && file.Hash != k.hash) {
		return errOther
	}
	if err == nil {
		err = file.prove(ctx, k.store)
	}
	switch {
	case errors.Is(err, archive.ErrNotArchive), errors.Is(err, archive.ErrDamaged), errors.Is(err, errNoEpoch):
		return errors.Join(errOther, err)
	case err == nil && (file.Hash != k.hash || file.State != k.state):
		return errOther
	default:
		return err
	}
}

func (k keeping) write(ctx context.Context, file *File, cfg archive.Config) error {
	r, w := io.Pipe()
	both, within := errgroup.WithContext(ctx)
	both.Go(func() error {
		err := archive.Write(within, w, cfg)
		w.CloseWithError(err) // nil is the end
		return err
	})
	both.Go(func() error {
		err := k.store.Put(within, file.Name, r)
		r.CloseWithError(err) // what the other one is then told
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	if err := k.same(ctx, file); err != nil {
		return fmt.Errorf("read %s back: %w", file.Name, err)
	}
	return nil
}
