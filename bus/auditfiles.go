package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"segno/proto"
)

// AuditFilesConfig says which server's audit is to be proved.
type AuditFilesConfig struct {
	StoreDir string    // of the server, which may run on it
	Anchor   string    // file; "" for none
	At       proto.Seq // a message whose hash is wanted; 0 is none
	Progress func(done, total uint64)

	end     auditPosition // that the running audit knows of; zero is what the anchor says
	running bool          // the server writes: a record at the end may be on its way
}

// VerifyAuditFiles reads the files of the stream AUDIT as they are on disk, and
// proves that every byte of every record is what it must be: each message makes
// its record, and names the hash of the one before it. Nothing lies behind the last
// whole one, but what a running server is just writing.
func VerifyAuditFiles(ctx context.Context, cfg AuditFilesConfig) (proto.AuditProof, error) {
	anchored, err := readAnchor(cfg.Anchor)
	if err != nil {
		return proto.AuditProof{}, err
	}
	for try := 1; ; try++ {
		c := &auditFileCheck{cfg: cfg, anchored: anchored, reach: max(anchored.Seq, cfg.end.seq)}
		err := c.run(ctx)
		switch {
		case isDamage(err) && try < fileTries: // its beginning may have run out meanwhile
		case isDamage(err):
			c.proof.Problem = fmt.Sprintf("%s, in %s at byte %d", err, c.file, c.offset)
			return c.proof, nil
		default:
			return c.proof, err
		}
	}
}

// auditFileCheck goes along the records of the stream.
type auditFileCheck struct {
	cfg      AuditFilesConfig
	anchored anchor
	reach    proto.Seq // up to here nothing may be missing
	before   auditMessage
	gone     proto.Seq // newest that ran out, as a tombstone says
	proof    proto.AuditProof

	file   string
	offset int
	maker  *recorder
}

func (c *auditFileCheck) run(ctx context.Context) error {
	c.file = streamFiles(c.cfg.StoreDir, proto.StreamAudit)
	blocks, err := blocksOf(c.file)
	if err != nil {
		return err
	}
	for i, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.block(ctx, b, i == len(blocks)-1); err != nil {
			return err
		}
	}
	if last := max(c.before.seq, c.gone); last < c.reach {
		return c.wrong(last+1, fmt.Sprintf("all up to message %s, which were written", c.reach), "the end of the files")
	}
	return nil
}

func (c *auditFileCheck) wrong(seq proto.Seq, want, found string) error {
	return &damage{seq: seq, want: want, found: found, what: auditPlace}
}

func (c *auditFileCheck) block(ctx context.Context, b block, last bool) error {
	data, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it ran out meanwhile
	}
	if err != nil {
		return fmt.Errorf("read the audit's files: %w", err)
	}
	if c.maker, err = newRecorder(proto.StreamAudit, b.number); err != nil {
		return err
	}
	c.file, c.offset = b.path, 0
	waited := -1 // for the record at this place
	for c.offset < len(data) {
		length, err := c.record(data[c.offset:])
		tail := data[min(c.offset, len(data)):]
		switch {
		case err == nil:
			c.offset += length
			continue
		case !errors.Is(err, errUnfinished):
			return err
		case !last || !c.cfg.running || c.before.seq < c.reach:
			return c.unfinished(last, tail)
		case waited >= 0 && waited < c.offset:
			return nil // what others write meanwhile need not be followed to its end
		}
		grown, err := changedTail(ctx, b.path, tail, c.offset)
		if err != nil {
			return err
		}
		if grown == nil {
			return c.unfinished(last, tail)
		}
		waited, data = c.offset, append(data[:c.offset:c.offset], grown...)
	}
	return nil
}

// unfinished is what is wrong with the end of a file that is no whole record.
func (c *auditFileCheck) unfinished(last bool, tail []byte) error {
	if !last || c.before.seq < c.reach {
		return c.wrong(c.before.seq+1, "a whole record", "one that is cut short, or whose length is not what it was, or bytes that were put before it")
	}
	return c.wrong(c.before.seq+1, "nothing, or a whole record", tellTail(tail, c.before.seq+1))
}

// record checks the record that data begins with and answers its length.
func (c *auditFileCheck) record(data []byte) (int, error) {
	if len(data) < recordHead {
		return 0, errUnfinished
	}
	h := readHead(data)
	seq := c.before.seq + 1
	switch {
	case h.length < recordEmpty || h.length > recordLongest:
		return 0, c.wrong(seq, "a record", fmt.Sprintf("one of the length %d", h.length))
	case h.length > len(data):
		return 0, errUnfinished
	}
	record := data[:h.length]
	if h.gone && h.length == recordEmpty {
		if !bytes.Equal(record, c.maker.tombstone(h.seq, h.stored)) {
			return 0, c.wrong(seq, "a record that is known", "another one before it")
		}
		c.gone = max(c.gone, proto.Seq(h.seq))
		return h.length, nil
	}
	message := h.message(record)
	head, events, err := proto.DecodeAudit(message)
	if err != nil {
		return 0, c.wrong(seq, "an audit message", err.Error())
	}
	want := c.maker.transaction(head.Seq, h.stored, proto.AuditSubject, message)
	if !bytes.Equal(record, want) {
		part, at := differ(record, want, proto.AuditSubject, len(fence(head.Seq)))
		c.offset += at
		return 0, c.wrong(head.Seq, "the record of its message", "that the "+part+" differs")
	}
	return h.length, c.message(auditMessage{seq: head.Seq, hash: proto.HashOf(message), head: head, events: events})
}

// message checks what a record holds against what was written before it.
func (c *auditFileCheck) message(m auditMessage) error {
	if err := follows(c.before, m); err != nil {
		return err
	}
	for _, known := range []anchor{c.anchored, {Seq: c.cfg.end.seq, Hash: hexHash(c.cfg.end.hash)}} {
		if m.seq == known.Seq && hexHash(m.hash) != known.Hash {
			return c.wrong(m.seq, fmt.Sprintf("the hash %.8s, which was written", known.Hash), short(m.hash))
		}
	}
	c.before = m
	if m.seq == c.cfg.At {
		c.proof.At, c.proof.AtHash = m.seq, m.hash
	}
	c.proof.Seq, c.proof.Hash = m.seq, m.hash
	c.proof.Messages, c.proof.Events = c.proof.Messages+1, c.proof.Events+uint64(m.head.Count)
	c.proof.Records = c.proof.Messages
	if c.cfg.Progress != nil && c.proof.Records%1024 == 0 {
		c.cfg.Progress(c.proof.Records, max(c.proof.Records, uint64(c.reach)-min(uint64(c.reach), uint64(m.seq))+c.proof.Records))
	}
	return nil
}
