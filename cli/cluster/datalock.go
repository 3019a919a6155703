package cluster

import (
	"errors"
	"fmt"
	"io/fs"

	"segno/agents/disk"
)

// ErrInUse says that a cluster, or a node, runs in the folder.
var ErrInUse = errors.New("in use by another segno")

// LockData keeps others out of a data directory until it is unlocked or this
// process ends. A cluster holds its own as long as it lives, and a node its
// folder. A folder that is not there needs no lock.
func LockData(dir string) (unlock func(), err error) {
	unlock, err = disk.Lock(dir)
	switch {
	case errors.Is(err, disk.ErrLocked):
		return nil, fmt.Errorf("the data directory %s is %w", dir, ErrInUse)
	case errors.Is(err, fs.ErrNotExist):
		return func() {}, nil
	}
	return unlock, err
}
