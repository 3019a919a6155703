package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked says that another process works in the folder.
var ErrLocked = errors.New("another agent is running there")

// lockAttempts is how often a holder may end, and remove the lock, just when it is
// asked for.
const lockAttempts = 100

// errRemoved says that the lock is no more where it was opened: whoever comes next
// would make another one.
var errRemoved = errors.New("it was removed meanwhile")

// Lock keeps other processes out of a folder until it is unlocked or this
// process ends, however it ends. The folder is made when it is missing. An
// empty dir locks nothing. Who holds the lock may remove the folder before unlocking.
func Lock(dir string) (unlock func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	for range lockAttempts {
		if unlock, err = lock(dir); !removedMeanwhile(err) {
			break
		}
	}
	return unlock, err
}

// removedMeanwhile takes the error of any step between which lock or folder may go.
func removedMeanwhile(err error) bool {
	return errors.Is(err, errRemoved) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
}

func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err == nil {
		err = inPlace(file)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = file.Close() }, nil
}

// inPlace makes sure that a file is the one that its name leads to.
func inPlace(file *os.File) error {
	is, err := file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(file.Name())
	if err == nil && !os.SameFile(is, now) {
		err = errRemoved
	}
	return err
}
