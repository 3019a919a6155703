// Package replace writes small files so that a reader, be it after a crash,
// finds the old one or the new one, whole.
//
// What comes in: a path and what the file is to hold. What goes out: the file,
// on disk, for its owner's eyes only. What never happens here: a file half
// written, a temporary name that two writers share, or one that is synced in
// its own folder only by chance.
//
// There is this file only.
package replace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// File replaces the file in one step, and makes its folder where there is none.
// Nobody but the owner may read it.
func File(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	fresh, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.new")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = fresh.Write(data)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(fresh.Name()))
	}
	return SyncFolder(dir)
}

// SyncFolder makes new names in a folder last.
func SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	return nil
}
