package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"segno/cli/version"
)

// frames writes frames.
type frames struct {
	zip *zstd.Encoder
	sum hash.Hash
	buf []byte
}

func newFrames(w io.Writer, mark string) (*frames, error) {
	if _, err := io.WriteString(w, mark); err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return &frames{zip: zip, sum: sha256.New()}, nil
}

// write writes a frame, its body in parts.
func (f *frames) write(what byte, body ...[]byte) error {
	size := 0
	for _, part := range body {
		size += len(part)
	}
	f.buf = binary.AppendUvarint(append(f.buf[:0], what), uint64(size))
	for _, part := range body {
		f.buf = append(f.buf, part...)
	}
	f.sum.Write(f.buf)
	_, err := f.zip.Write(f.buf)
	return err
}

func (f *frames) writeJSON(what byte, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return f.write(what, body)
}

// close ends the file.
func (f *frames) close() error {
	if err := f.write(frameEnd, f.sum.Sum(nil)); err != nil {
		return err
	}
	return f.zip.Close()
}

// framed reads frames.
type framed struct {
	zip      *zstd.Decoder
	in       *bufio.Reader
	sum      hash.Hash
	packed   *counted
	unpacked uint64
	audited  bool // the format is the one that has AUDIT
}

// counted counts what is read of a file.
type counted struct {
	io.Reader
	n uint64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += uint64(n)
	return n, err
}

// readAhead is how much of a file is unpacked at once.
const readAhead = 1 << 20

func newFramed(r io.Reader) (*framed, error) {
	head := make([]byte, len(mark))
	if _, err := io.ReadFull(r, head); err != nil || !strings.HasPrefix(string(head), marking) {
		return nil, ErrNotArchive
	}
	if string(head) != mark && string(head) != markAudited {
		return nil, fmt.Errorf("%w that this one (%s) reads: it has format %q, not %q or %q; take the segno that made it, or a newer one", ErrNotArchive, version.Version,
			strings.TrimSpace(string(head[len(marking):])), strings.TrimSpace(mark[len(marking):]), strings.TrimSpace(markAudited[len(marking):]))
	}
	packed := &counted{Reader: r}
	zip, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return &framed{zip: zip, in: bufio.NewReaderSize(zip, readAhead), sum: sha256.New(), packed: packed, audited: string(head) == markAudited}, nil
}

// read answers the next frame; the body is the caller's. The last frame is
// answered only when it says what was read, and nothing follows it.
func (f *framed) read() (what byte, body []byte, err error) {
	what, err = f.in.ReadByte()
	if err != nil {
		return 0, nil, f.damaged(err)
	}
	size, err := binary.ReadUvarint(f.in)
	if err != nil {
		return 0, nil, f.damaged(err)
	}
	if err := f.bounded(what, size); err != nil {
		return 0, nil, err
	}
	body = make([]byte, size)
	if _, err := io.ReadFull(f.in, body); err != nil {
		return 0, nil, f.damaged(err)
	}
	if what == frameEnd {
		return what, body, f.end(body)
	}
	head := binary.AppendUvarint([]byte{what}, size)
	f.sum.Write(head)
	f.sum.Write(body)
	return what, body, nil
}

// bounded refuses what takes more than any file that segno writes.
func (f *framed) bounded(what byte, size uint64) error {
	most := uint64(maxFrame)
	if what == frameHeader || what == frameFile || what == frameLog || what == frameSum {
		most = maxHeader
	}
	if what == frameAudit {
		most = maxAudit
	}
	if size > most {
		return fmt.Errorf("%w: a frame says that it has %d bytes, at most %d are allowed", ErrDamaged, size, most)
	}
	if f.unpacked += size; f.unpacked > freeUnpacked && f.unpacked/maxUnpacked > f.packed.n {
		return fmt.Errorf("%w: it unpacks to more than %d times its size", ErrDamaged, maxUnpacked)
	}
	return nil
}

func (f *framed) end(body []byte) error {
	if string(body) != string(f.sum.Sum(nil)) {
		return fmt.Errorf("%w: its checksum is another one", ErrDamaged)
	}
	if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	return nil
}

// damaged keeps what went wrong in reading apart from a file that ends early.
func (f *framed) damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends early", ErrDamaged)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func (f *framed) close() { f.zip.Close() }
