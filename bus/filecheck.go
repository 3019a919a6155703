package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"segno/proto"
)

// fileCheck goes along the records of a log, one epoch's stream after the other.
type fileCheck struct {
	cfg      FilesConfig
	anchored anchor
	stream   string // JetStream's, of the epoch
	epoch    uint32
	opening  bool // none of its records was read yet
	folded   proto.Seq
	retained bool // its beginning runs out in time
	first    proto.Seq
	next     proto.Seq      // expected; 0 while a retained stream has shown none
	at       proto.Position // the fold's end; behind it, the newest record
	records  int

	file   string
	offset int64
	maker  *recorder
}

func newFileCheck(cfg FilesConfig, anchored anchor) *fileCheck {
	at := cfg.Fold.Position()
	c := &fileCheck{
		cfg: cfg, anchored: anchored, stream: cfg.Stream, retained: cfg.Stream != proto.StreamEvents,
		folded: at.Seq, at: at, first: max(1, anchored.From, cfg.from),
	}
	c.next = c.first
	return c
}

// run reads all blocks.
func (c *fileCheck) run(ctx context.Context) error {
	must := c.first
	if from := c.anchored.Restored; from != "" && c.folded <= c.anchored.Seq && c.unwritten() == "" {
		c.file = streamFiles(c.cfg.StoreDir, c.stream)
		wrong := c.wrong(c.folded, "it was restored from %s up to transaction %s with the hash %.16s…, and the state there is another", from, c.anchored.Seq, c.anchored.Hash)
		wrong.Mends = false
		return wrong
	}
	if c.retained {
		must, c.next = c.oldestKept(), 0
	}
	epochs, err := epochsIn(c.cfg.StoreDir, c.cfg.Stream)
	if err != nil {
		return err
	}
	for i, epoch := range epochs {
		if err := c.readEpoch(ctx, epoch, i == len(epochs)-1); err != nil {
			return err
		}
	}
	end := c.next
	if c.unwritten() != "" {
		return nil
	}
	if c.retained && (must > 0 && must <= c.folded && (c.first > must || end == 0)) {
		return c.wrong(must, "it is missing: the files begin behind it")
	}
	if !c.retained || end > 0 {
		for _, reach := range []proto.Seq{c.folded, c.anchored.Seq} {
			if end <= reach {
				return c.wrong(end, "it is missing: the files end before it, at %s were acknowledged", reach)
			}
		}
	}
	return nil
}

// unwritten names the backup that the fold is, while the log's files may end before
// it; "" when they may not.
func (c *fileCheck) unwritten() string {
	if !c.anchored.restored(c.cfg.Fold.Position()) {
		return ""
	}
	return c.anchored.Restored
}

// readEpoch reads the blocks of one stream.
func (c *fileCheck) readEpoch(ctx context.Context, epoch uint32, last bool) error {
	c.epoch, c.stream, c.opening = epoch, proto.EpochStream(c.cfg.Stream, epoch), true
	dir := streamFiles(c.cfg.StoreDir, c.stream)
	blocks, err := blocksOf(dir)
	if err != nil {
		return err
	}
	c.file, c.offset = filepath.Join(dir, "msgs"), 0
	if left, err := c.leftOver(blocks, last); left || err != nil {
		return err
	}
	for i, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.block(ctx, b, last && i == len(blocks)-1); err != nil {
			return err
		}
	}
	return nil
}

// leftOver tells that an epoch lies before all that the log has: it was dropped,
// and a stop came before its files were gone. The next start takes them away.
func (c *fileCheck) leftOver(blocks []block, last bool) (bool, error) {
	if c.retained || last || c.next != c.first || len(blocks) == 0 {
		return false, nil
	}
	data, err := os.ReadFile(blocks[0].path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // it goes right now
	}
	if err != nil {
		return false, fmt.Errorf("read the log's files: %w", err)
	}
	if len(data) < recordHead {
		return false, nil
	}
	h := readHead(data)
	if h.gone {
		h.seq++
	}
	return proto.Seq(h.seq) < c.first, nil
}

// oldestKept is the oldest transaction that a retained log must still have; 0
// when there may be none.
func (c *fileCheck) oldestKept() proto.Seq {
	if c.stream == proto.StreamLeases {
		return c.at.Seq
	}
	limit := time.Now().Add(time.Hour - notesAge)
	young := sort.Search(int(c.at.Seq), func(i int) bool {
		env := c.envelope(proto.Seq(i + 1))
		return env != nil && env.At.After(limit)
	})
	if proto.Seq(young) == c.at.Seq {
		return 0
	}
	return proto.Seq(young + 1)
}

// envelope is a transaction as the fold has it; nil when it has not.
func (c *fileCheck) envelope(seq proto.Seq) *proto.Envelope {
	encoded, err := c.cfg.Fold.Encoded(seq)
	if err != nil {
		return nil
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		return nil
	}
	return env
}

// block checks one file.
func (c *fileCheck) block(ctx context.Context, b block, last bool) error {
	data, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) && c.retained {
		return nil // it ran out meanwhile
	}
	if err != nil {
		return fmt.Errorf("read the log's files: %w", err)
	}
	if c.maker, err = newRecorder(c.stream, b.number); err != nil {
		return err
	}
	c.file = b.path
	waited := -1 // for the record at this place
	for at := 0; at < len(data); {
		c.offset = int64(at)
		length, err := c.record(data[at:])
		switch {
		case err == nil:
			at += length
			continue
		case !errors.Is(err, errUnfinished):
			return err
		case !last || !c.cfg.running || c.next > 0 && c.next <= c.folded:
			return c.unfinished(b, last, data[at:])
		case waited >= 0 && waited < at:
			return nil // what others write meanwhile need not be followed to its end
		}
		grown, err := changedTail(ctx, b.path, data[at:], at)
		if err != nil {
			return err
		}
		if grown == nil {
			return c.unfinished(b, last, data[at:])
		}
		waited, data = at, append(data[:at:at], grown...)
	}
	return nil
}

// errUnfinished says that the file ends within a record.
var errUnfinished = errors.New("the file ends within a record")

// record checks the record that data begins with and answers its length.
func (c *fileCheck) record(data []byte) (int, error) {
	if len(data) < recordHead {
		return 0, errUnfinished
	}
	h := readHead(data)
	if h.gone && (c.retained || c.opening) && h.length == recordEmpty {
		return c.tombstone(h, data)
	}
	if c.next == 0 {
		c.next = c.begin(h, data)
		c.first = c.next
	}
	encoded, err := c.expected()
	if err != nil {
		return 0, err
	}
	if encoded == nil {
		if encoded, err = c.ownMessage(h, data); err != nil {
			return 0, err
		}
	}
	env, err := proto.Decode(encoded)
	if err != nil {
		return 0, fmt.Errorf("transaction %s of the fold: %w", c.next, err)
	}
	subject := proto.LogSubject(c.stream, firstKey(env))
	want := c.maker.transaction(c.next, h.stored, subject, encoded)
	if have := data[:min(len(data), len(want))]; !bytes.Equal(have, want) {
		part, at := differ(have, want, subject, len(fence(c.next)))
		c.offset += int64(at)
		return 0, c.wrong(c.next, "the %s differs from what was acknowledged", part)
	}
	if env.Epoch != c.epoch {
		return 0, c.wrong(c.next, "it belongs into %s", proto.EpochStream(c.cfg.Stream, env.Epoch))
	}
	c.opening = false
	c.next++
	c.records++
	if c.cfg.Progress != nil && c.records%1024 == 0 {
		c.cfg.Progress(c.records, max(c.records, int(c.folded+1-c.first)))
	}
	return len(want), nil
}

// tombstone is known where a stream begins behind 1, and anywhere in one whose
// beginning runs out.
func (c *fileCheck) tombstone(h head, data []byte) (int, error) {
	if len(data) < recordEmpty {
		return 0, errUnfinished
	}
	known := c.retained || proto.Seq(h.seq)+1 == c.next
	if want := c.maker.tombstone(h.seq, h.stored); !known || !bytes.Equal(data[:recordEmpty], want) {
		return 0, c.wrong(c.next, "before it lies a record that is not known")
	}
	return recordEmpty, nil
}

// begin is the sequence of the first record of a retained log. Its head names
// it, and so does its message: that counts when all the rest speaks for it.
func (c *fileCheck) begin(h head, data []byte) proto.Seq {
	if h.length > len(data) || h.length < recordEmpty {
		return proto.Seq(h.seq)
	}
	message := h.message(data[:h.length])
	env, err := proto.Decode(message)
	if err != nil || len(env.Events) == 0 {
		return proto.Seq(h.seq)
	}
	const behind = 12 // the sequence
	want := c.maker.transaction(env.Seq, h.stored, proto.LogSubject(c.stream, firstKey(env)), message)
	if bytes.Equal(want[behind:], data[behind:h.length]) {
		return env.Seq
	}
	return proto.Seq(h.seq)
}

// expected is what the fold has of the next transaction: nil when it has not,
// yet or any more.
func (c *fileCheck) expected() ([]byte, error) {
	if c.next > c.folded {
		return nil, nil
	}
	encoded, err := c.cfg.Fold.Encoded(c.next)
	if err != nil && c.retained {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction %s of the fold: %w", c.next, err)
	}
	return encoded, nil
}

// ownMessage is the message of a record that the fold does not have. It must
// be the transaction that it says, and continue the chain.
func (c *fileCheck) ownMessage(h head, data []byte) ([]byte, error) {
	if h.length < recordEmpty || h.length > recordLongest {
		return nil, c.wrong(c.next, "a record cannot have the length %d", h.length)
	}
	if h.length > len(data) {
		return nil, errUnfinished
	}
	message := h.message(data[:h.length])
	at := c.at
	if c.next <= c.folded || at.Seq+1 != c.next {
		at = proto.Position{} // older than the fold: nothing tells what came before it
	}
	entry, err := link(at, c.next, message)
	if err == nil {
		err = c.anchored.check(entry)
	}
	var d *damage
	switch {
	case errors.As(err, &d):
		return nil, c.wrong(c.next, "expected %s, found %s", d.want, d.found)
	case err != nil:
		return nil, err
	case len(entry.Envelope.Events) == 0:
		return nil, c.wrong(c.next, "it says that nothing happened")
	}
	if c.next <= c.folded {
		return message, nil
	}
	c.at = after(entry)
	if c.cfg.Each != nil {
		if err := c.cfg.Each(entry); err != nil {
			return nil, err
		}
	}
	return message, nil
}

// wrong is the damage at the place that is read.
func (c *fileCheck) wrong(seq proto.Seq, format string, args ...any) *FileError {
	out := &FileError{Seq: seq, File: c.file, Offset: c.offset, What: fmt.Sprintf(format, args...)}
	out.Mends = c.folded > 0 && seq > c.anchored.Seq // else nobody was told of it
	if env := c.envelope(seq); env != nil {
		out.At, out.Mends, out.Object = env.At, true, env.Events[0].Kind
		if key := firstKey(env); key.Resource.Name != "" {
			out.Object = key.String()
		}
	}
	return out
}
