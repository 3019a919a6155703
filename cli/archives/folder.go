package archives

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"segno/cli/internal/replace"
)

// Folder is a folder of this machine. It is made by the first file that is put
// into it.
type Folder struct{ Dir string }

// Sizes implements Store.
func (f Folder) Sizes(context.Context) (map[string]int64, error) {
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[entry.Name()] = info.Size()
	}
	return out, nil
}

// Open implements Store.
func (f Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(f.Dir, name))
}

// Put implements Store. Nobody but the owner may read the file.
func (f Folder) Put(_ context.Context, name string, r io.Reader) error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	fresh, err := os.CreateTemp(f.Dir, "."+name+".*.part") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // gone already when all went well
	_, err = io.Copy(fresh, r)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), filepath.Join(f.Dir, name))
	}
	if err != nil {
		return err
	}
	return replace.SyncFolder(f.Dir)
}

// Close implements Store.
func (Folder) Close() error { return nil }
