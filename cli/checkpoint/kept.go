package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// keptFile, in the folder of the kept checkpoints, has them all, oldest first,
// with an empty line between them.
const keptFile = "EVENTS.notes"

// Kept are the checkpoints that a cluster has written down. They are only ever
// appended.
type Kept struct {
	dir  string
	lock sync.Mutex
}

// In answers the kept checkpoints of a folder; "" keeps none.
func In(dir string) *Kept { return &Kept{dir: dir} }

// Append keeps one more; it is on disk then.
func (k *Kept) Append(signed []byte) error {
	if k.dir == "" {
		return nil
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	if err := k.write(signed); err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err)
	}
	return nil
}

func (k *Kept) write(signed []byte) error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	before, err := os.ReadFile(k.file())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(k.file(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	more := append(bytes.Clone(signed), '\n')
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n\n")) { // one that a crash cut short
		more = append([]byte("\n\n"), more...)
	}
	_, err = file.Write(more)
	return errors.Join(err, file.Sync(), file.Close())
}

func (k *Kept) file() string { return filepath.Join(k.dir, keptFile) }

// All are the kept notes, oldest first. One that was cut short is left out.
func (k *Kept) All() ([][]byte, error) {
	if k.dir == "" {
		return nil, nil
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	data, err := os.ReadFile(k.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept checkpoints: %w", err)
	}
	var out [][]byte
	parts := bytes.Split(data, []byte("\n\n"))
	for i := 1; i < len(parts); i++ {
		if text, signature := parts[i-1], bytes.TrimLeft(parts[i], "\n"); bytes.HasPrefix(signature, []byte("— ")) {
			text = bytes.TrimLeft(text, "\n")
			out = append(out, bytes.Join([][]byte{text, []byte("\n\n"), signature, []byte("\n")}, nil))
		}
	}
	return out, nil
}
