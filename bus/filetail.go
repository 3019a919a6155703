package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"segno/proto"
)

// A write that is under way is seen as the beginning of a record for an instant.
// What stays as it is for longer is not one.
const (
	tailPatience = time.Second
	tailLook     = 50 * time.Millisecond
)

// changedTail waits for a file to have something else from an offset on than was
// seen there, and answers that; nil when it stays as it is.
func changedTail(ctx context.Context, path string, seen []byte, offset int) ([]byte, error) {
	look := time.NewTicker(tailLook)
	defer look.Stop()
	for range tailPatience / tailLook {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
		now, err := readFrom(path, offset)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return []byte{}, nil // it ran out meanwhile
		case err != nil:
			return nil, fmt.Errorf("read the log's files: %w", err)
		case !bytes.Equal(now, seen):
			return now, nil
		}
	}
	return nil, nil
}

// readFrom reads a file from an offset on; what it answers is never nil without an
// error.
func readFrom(path string, offset int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(int64(offset), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

// tellTail says what lies behind the last whole record of a log, where next would
// be written.
func tellTail(tail []byte, next proto.Seq) string {
	if len(tail) >= 12 {
		var whole [recordHead]byte
		copy(whole[:], tail)
		if h := readHead(whole[:]); proto.Seq(h.seq) == next && h.length > len(tail) && h.length <= recordLongest {
			return fmt.Sprintf("%d bytes of a record that was begun and not finished, as a stop without warning leaves it: nobody was told of it", len(tail))
		}
	}
	return fmt.Sprintf("%d bytes that are no record: they were added, or a stop without warning left them", len(tail))
}

// unfinished is what is wrong with the end of a file that is no whole record: bytes
// too many behind the last one, or too few of the next.
func (c *fileCheck) unfinished(b block, last bool, tail []byte) *FileError {
	behind := last && (c.next == 0 || c.next > max(c.folded, c.anchored.Seq) || c.unwritten() != "")
	if !behind && !last {
		behind = c.next > 0 && c.following(b) == c.next
	}
	if !behind {
		return c.wrong(c.next, "its record is cut short, or its length is not what it was")
	}
	wrong := c.wrong(max(c.next, 1)-1, "behind its record lie %s", tellTail(tail, c.next))
	wrong.Mends = true // all that lies before it is whole
	return wrong
}

// following is the first transaction behind a block, as the next block has it; 0
// when nothing tells.
func (c *fileCheck) following(b block) proto.Seq {
	for _, epoch := range []uint32{c.epoch, c.epoch + 1} {
		blocks, err := blocksOf(streamFiles(c.cfg.StoreDir, proto.EpochStream(c.cfg.Stream, epoch)))
		if err != nil {
			return 0
		}
		for _, next := range blocks {
			if epoch == c.epoch && next.number <= b.number {
				continue
			}
			data, err := os.ReadFile(next.path)
			if err != nil || len(data) < recordHead {
				return 0
			}
			h := readHead(data)
			if h.gone {
				return proto.Seq(h.seq) + 1
			}
			return proto.Seq(h.seq)
		}
	}
	return 0
}
