// Package disk keeps small records in a folder of the node, a file each, so
// that each is there whole or not at all after a crash.
//
// What comes in and goes out: bytes under a name. What never happens here: a
// record that is half old and half new, or an invented one; a torn file is
// reported and left out.
//
// Start with this file; journal.go keeps many records in one file, lock.go keeps
// a second agent away.
package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// Folder keeps records below a directory. The zero Folder keeps nothing: it
// is the memory of nodes that need none.
type Folder struct{ dir string }

// ErrTorn says that a file is not what was written: the machine went down.
var ErrTorn = errors.New("torn record")

const temporary = ".new"

var table = crc32.MakeTable(crc32.Castagnoli)

// Open makes the directory when it is missing. An empty dir keeps nothing.
func Open(dir string) (Folder, error) {
	if dir == "" {
		return Folder{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Folder{}, fmt.Errorf("open folder of records: %w", err)
	}
	return Folder{dir: dir}, nil
}

// Put writes a record in the place of the older one, if any, and syncs it.
func (f Folder) Put(name string, data []byte) error {
	if f.dir == "" {
		return nil
	}
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := write(path+temporary, data); err != nil {
		return fmt.Errorf("write record %s: %w", name, err)
	}
	if err := os.Rename(path+temporary, path); err != nil {
		return fmt.Errorf("write record %s: %w", name, err)
	}
	if err := f.sync(); err != nil {
		return fmt.Errorf("write record %s: %w", name, err)
	}
	return nil
}

// sync makes durable which names are in the folder: before that a crash of the
// machine may bring an older record back, or none.
func (f Folder) sync() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func write(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	framed := binary.LittleEndian.AppendUint32(make([]byte, 0, len(data)+4), crc32.Checksum(data, table))
	_, err = file.Write(append(framed, data...))
	return errors.Join(err, file.Sync(), file.Close())
}

// Remove deletes a record; missing is success. A crash of the machine may
// bring it back.
func (f Folder) Remove(name string) error {
	if f.dir == "" {
		return nil
	}
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove record %s: %w", name, err)
	}
	return nil
}

// Records are what is in a folder.
type Records struct {
	Whole map[string][]byte
	// Lost says which ones cannot be had; it wraps ErrTorn for those that are
	// not whole, which were removed. Nil when there are none.
	Lost error
}

// All reads every record. An error means that the folder could not be read.
func (f Folder) All() (Records, error) {
	out := Records{Whole: map[string][]byte{}}
	if f.dir == "" {
		return out, nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return Records{}, fmt.Errorf("read records: %w", err)
	}
	var lost []error
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, temporary) {
			lost = append(lost, os.Remove(filepath.Join(f.dir, name))) // never finished, never promised
			continue
		}
		data, err := read(filepath.Join(f.dir, name))
		if err != nil {
			lost = append(lost, fmt.Errorf("record %s: %w", name, err))
			continue
		}
		out.Whole[name] = data
	}
	out.Lost = errors.Join(lost...)
	return out, nil
}

func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) < 4 || binary.LittleEndian.Uint32(data) != crc32.Checksum(data[4:], table) {
		return nil, errors.Join(ErrTorn, os.Remove(path))
	}
	return data[4:], nil
}

func (f Folder) path(name string) (string, error) {
	if name == "" || name != filepath.Base(name) || strings.HasSuffix(name, temporary) || name == "." || name == ".." {
		return "", fmt.Errorf("record %q: not a file name", name)
	}
	return filepath.Join(f.dir, name), nil
}
