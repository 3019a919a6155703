package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// Journal keeps many small records under names in one file: changes are written
// behind what is there, and now and then the file is written anew. What was put
// survives the process at once; a crash of the machine may lose the newest
// changes, never others. It is for what can be had again from elsewhere. The
// zero Journal keeps nothing.
type Journal struct {
	path string
	file *os.File
	size int64
	full int64 // size of the file when it was last written anew
}

const (
	frameHead = 8       // length and checksum of what follows
	slack     = 4 << 20 // of outdated bytes that are no reason to write anew
	mostFrame = 1 << 30
)

// OpenJournal answers the journal in the file with its records. An empty path
// keeps nothing.
func OpenJournal(path string) (*Journal, Records, error) {
	if path == "" {
		return &Journal{}, Records{}, nil
	}
	j := &Journal{path: path}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, Records{}, fmt.Errorf("open journal: %w", err)
	}
	records, err := j.open()
	if err != nil {
		return nil, Records{}, fmt.Errorf("open journal: %w", err)
	}
	return j, records, nil
}

// open cuts off what is not whole at the end, so that more can be written behind.
func (j *Journal) open() (Records, error) {
	records, whole, err := j.read()
	if err != nil {
		return records, err
	}
	if records.Lost != nil {
		if err := os.Truncate(j.path, whole); err != nil {
			return records, err
		}
	}
	if j.file, err = os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return records, err
	}
	j.size, j.full = whole, whole
	return records, nil
}

// read answers the records, and how many bytes of the file they are.
func (j *Journal) read() (out Records, whole int64, err error) {
	out.Whole = map[string][]byte{}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, 0, nil
	}
	if err != nil {
		return out, 0, err
	}
	rest := data
	for len(rest) > 0 {
		name, value, frame, ok := readFrame(rest)
		if !ok {
			out.Lost = fmt.Errorf("journal %s behind byte %d: %w", j.path, whole, ErrTorn)
			return out, whole, nil
		}
		if value == nil {
			delete(out.Whole, name)
		} else {
			out.Whole[name] = value
		}
		rest, whole = rest[frame:], whole+int64(frame)
	}
	return out, whole, nil
}

// Put writes a record in the place of the older one, if any.
func (j *Journal) Put(name string, data []byte) error {
	return j.write(name, appendFrame(nil, name, data, false))
}

// Remove deletes a record; missing is success.
func (j *Journal) Remove(name string) error {
	return j.write(name, appendFrame(nil, name, nil, true))
}

func (j *Journal) write(name string, frame []byte) error {
	if j.path == "" {
		return nil
	}
	err := j.append(frame)
	if err == nil && j.size > 2*j.full+slack {
		err = j.compact()
	}
	if err != nil {
		return fmt.Errorf("journal %s: write record %s: %w", j.path, name, err)
	}
	return nil
}

func (j *Journal) append(frame []byte) error {
	if j.file == nil {
		return fs.ErrClosed
	}
	if _, err := j.file.Write(frame); err != nil {
		return errors.Join(err, j.file.Truncate(j.size)) // half a frame would hide what comes behind it
	}
	j.size += int64(len(frame))
	return nil
}

func (j *Journal) compact() error {
	records, _, err := j.read()
	if err != nil {
		return err
	}
	return j.Replace(records.Whole)
}

// Replace makes the records exactly these, whole or not at all after a crash.
func (j *Journal) Replace(records map[string][]byte) error {
	if j.path == "" {
		return nil
	}
	var data []byte
	for name, value := range records {
		data = appendFrame(data, name, value, false)
	}
	if err := j.replace(data); err != nil {
		return fmt.Errorf("write journal %s anew: %w", j.path, err)
	}
	return nil
}

func (j *Journal) replace(data []byte) error {
	fresh, err := os.OpenFile(j.path+temporary, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	if err = errors.Join(err, fresh.Sync()); err == nil {
		err = os.Rename(j.path+temporary, j.path)
	}
	if err != nil {
		return errors.Join(err, fresh.Close())
	}
	old := j.file
	j.file, j.size, j.full = fresh, int64(len(data)), int64(len(data))
	return errors.Join(old.Close(), Folder{dir: filepath.Dir(j.path)}.sync())
}

// Close ends the writing.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	return file.Close()
}

// A frame is the length and the checksum of its body: whether the record is
// gone, the length of its name, its name, its data.
func appendFrame(to []byte, name string, data []byte, gone bool) []byte {
	body := make([]byte, 1, 1+binary.MaxVarintLen64+len(name)+len(data))
	if gone {
		body[0] = 1
	}
	body = binary.AppendUvarint(body, uint64(len(name)))
	body = append(append(body, name...), data...)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(body)))
	to = binary.LittleEndian.AppendUint32(to, crc32.Checksum(body, table))
	return append(to, body...)
}

// readFrame answers nil data for a record that is gone.
func readFrame(from []byte) (name string, data []byte, size int, ok bool) {
	if len(from) < frameHead {
		return "", nil, 0, false
	}
	length, sum := binary.LittleEndian.Uint32(from), binary.LittleEndian.Uint32(from[4:])
	if length == 0 || length > mostFrame || int(length) > len(from)-frameHead {
		return "", nil, 0, false
	}
	body := from[frameHead : frameHead+int(length)]
	named, n := binary.Uvarint(body[1:])
	if crc32.Checksum(body, table) != sum || n <= 0 || named > uint64(len(body)-1-n) {
		return "", nil, 0, false
	}
	name, data = string(body[1+n:1+n+int(named)]), body[1+n+int(named):]
	if body[0] == 1 {
		data = nil
	}
	return name, data, frameHead + int(length), true
}
