package archives

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"segno/cli/archive"
	"segno/cli/internal/replace"
	"segno/proto"
)

// Folder is where the files are. The zero value has none.
type Folder struct{ Dir string }

// File is an archived epoch.
type File struct {
	archive.Header
	Name  string
	Bytes int64
}

// name sorts as the epochs do.
func name(stream string, from, to proto.Seq) string {
	return fmt.Sprintf("%s-%020d-%020d%s", stream, from, to, archive.Suffix)
}

// Keep writes a span of a log, whole, and reads it back. A file that is there
// already and holds the same is left as it is: a crash may have come in between.
func (f Folder) Keep(ctx context.Context, cfg archive.Config) (File, error) {
	span := cfg.Spans[0]
	out := File{Name: name(span.Stream, span.From, span.To)}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return out, fmt.Errorf("make the folder of archives: %w", err)
	}
	at, state, err := span.Fold.PositionAt(span.To)
	if err != nil {
		return out, fmt.Errorf("archive %s: %w", out.Name, err)
	}
	want := archive.Sum{Hash: at.Hash.String(), State: state.String()}
	path := filepath.Join(f.Dir, out.Name)
	switch err := f.same(ctx, path, span, want); {
	case err == nil:
		return f.look(out.Name)
	case errors.Is(err, errOther):
		return out, fmt.Errorf("archive %s: %w; move it away, or take another folder with --archive", path, err)
	}
	fresh, err := os.CreateTemp(f.Dir, "."+out.Name+".*.part") // mode 0600
	if err != nil {
		return out, fmt.Errorf("archive %s: %w", out.Name, err)
	}
	defer os.Remove(fresh.Name()) // gone already when all went well
	err = archive.Write(ctx, fresh, cfg)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = f.same(ctx, fresh.Name(), span, want)
	}
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err == nil {
		err = replace.SyncFolder(f.Dir)
	}
	if err != nil {
		return out, fmt.Errorf("archive %s: %w", path, err)
	}
	return f.look(out.Name)
}

var errOther = errors.New("a file of that name holds another history")

// same reads a file back and compares what it came to.
func (f Folder) same(ctx context.Context, path string, span archive.Span, want archive.Sum) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	held, err := archive.Check(ctx, file)
	if err != nil {
		return err
	}
	h := held.Header
	if h.Redacted || h.From != span.From || h.To != span.To || len(held.Logs) != 1 ||
		held.Logs[0].Log.Stream != span.Stream || held.Logs[0].Sum.Hash != want.Hash || held.Logs[0].Sum.State != want.State {
		return errOther
	}
	return nil
}

func (f Folder) look(name string) (File, error) {
	file, err := os.Open(filepath.Join(f.Dir, name))
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return File{}, err
	}
	in, err := archive.NewReader(file)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	defer in.Close()
	return File{Header: in.Header(), Name: name, Bytes: info.Size()}, nil
}

// List answers the files, oldest first.
func (f Folder) List() ([]File, error) {
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the archives: %w", err)
	}
	var out []File
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != archive.Suffix || !strings.HasPrefix(entry.Name(), proto.StreamEvents+"-") {
			continue // somebody else's
		}
		file, err := f.look(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("list the archives: %w", err)
		}
		out = append(out, file)
	}
	slices.SortFunc(out, func(a, b File) int { return int(a.From) - int(b.From) })
	return out, nil
}

// Read calls each with every transaction of EVENTS between from and to, both
// included, in order. It is a bus.Archive.
func (f Folder) Read(ctx context.Context, from, to proto.Seq, each func(seq proto.Seq, encoded []byte) error) error {
	files, err := f.List()
	if err != nil {
		return err
	}
	next := from
	for _, file := range files {
		if file.From > next || file.To < next || next > to {
			continue
		}
		if next, err = f.read(ctx, file.Name, next, to, each); err != nil {
			return fmt.Errorf("read the archive %s: %w", filepath.Join(f.Dir, file.Name), err)
		}
	}
	if next <= to {
		return fmt.Errorf("transactions %s to %s were archived, and their file is not in %s: put the one back whose name begins with %s",
			next, to, f.Dir, fmt.Sprintf("%s-%020d-", proto.StreamEvents, next))
	}
	return nil
}

func (f Folder) read(ctx context.Context, name string, next, to proto.Seq, each func(seq proto.Seq, encoded []byte) error) (proto.Seq, error) {
	file, err := os.Open(filepath.Join(f.Dir, name))
	if err != nil {
		return next, err
	}
	defer file.Close()
	in, err := archive.NewReader(file)
	if err != nil {
		return next, err
	}
	defer in.Close()
	for {
		_, err := in.Next()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return next, err
		}
		for _, err := range in.Records() {
			if err = errors.Join(err, ctx.Err()); err != nil {
				return next, err
			}
		}
		for entry, err := range in.Entries() {
			if err = errors.Join(err, ctx.Err()); err != nil {
				return next, err
			}
			if seq := entry.Envelope.Seq; seq < next || seq > to {
				continue
			}
			if err := each(next, entry.Encoded); err != nil {
				return next, err
			}
			next++
		}
	}
}
