package contexts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	lockPatience = 5 * time.Second // those who hold it write one small file
	lockEvery    = 10 * time.Millisecond
)

// lock keeps others from changing a kubeconfig: it makes the file beside it
// that `kubectl config` makes, too. A file that a killed program left behind is
// named, not removed: whose it is cannot be seen.
func lock(file string) (unlock func() error, err error) {
	name := file + ".lock"
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of %s: %w", file, err)
	}
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(lockPatience); ; <-tick.C {
		held, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		switch {
		case err == nil:
			_ = held.Close() // nothing was written
			return func() error { return os.Remove(name) }, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("lock %s: %w", file, err)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("lock %s: another program changes it; if none does, remove %s", file, name)
		}
	}
}
