package commands

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"segno/cli/cluster"
)

// fresh is a data directory that a start has to make, with the folders above it
// that are missing, too; the innermost first. Nil is one that is there already.
type fresh []string

func newFresh(dataDir string) fresh {
	var missing fresh
	for dir := dataDir; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing = append(missing, dir)
	}
}

// undo removes what a start has made that was never ready, but nothing when
// another one is there by now. What cannot be removed is in nobody's way.
func (f fresh) undo(ctx context.Context) {
	if len(f) == 0 {
		return
	}
	dir := f[0]
	if _, err := os.Lstat(dir); err == nil {
		unlock, err := cluster.LockData(dir)
		if err != nil {
			return
		}
		defer unlock()
		_ = cluster.RemoveRemains(context.WithoutCancel(ctx), dir)
		for _, name := range dataNames {
			_ = os.RemoveAll(filepath.Join(dir, name))
		}
	}
	for _, dir := range f {
		_ = os.Remove(dir) // stays when it holds something of somebody else's
	}
}
