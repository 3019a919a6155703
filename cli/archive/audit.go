package archive

import (
	"encoding/hex"
	"fmt"
	"iter"

	"segno/proto"
)

// Audit is the record of requests that goes into a file: its messages in order,
// without a gap, as they lie in the stream.
type Audit struct {
	AuditBounds
	Messages iter.Seq2[[]byte, error]
}

// AuditHeld is what a file has of AUDIT.
type AuditHeld struct {
	First, Last proto.Seq // messages; 0 is none
	Events      uint64    // requests in them
	Hash        proto.Hash
	// Problem is the first thing that was wrong with them before they were copied.
	Problem string
}

func (w *writer) audit() error {
	if w.cfg.Audit == nil {
		return nil
	}
	for data, err := range w.cfg.Audit.Messages {
		if err == nil {
			err = w.out.write(frameAudit, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// auditReading is how far AUDIT was read.
type auditReading struct {
	held AuditHeld
	take TakeAudit
}

// TakeAudit takes the messages of AUDIT, the last of which may come with an error.
type TakeAudit func(bounds AuditBounds, messages iter.Seq2[[]byte, error]) error

// TakeAudit says what becomes of the messages of AUDIT, which Next comes to behind
// the logs; nil passes them over.
func (r *Reader) TakeAudit(take TakeAudit) { r.audit.take = take }

// Audit is what the file has of AUDIT, once Next said that it is whole.
func (r *Reader) Audit() AuditHeld { return r.audit.held }

// readAudit reads AUDIT, if it is here.
func (r *Reader) readAudit() error {
	if r.what != frameAudit || !r.in.audited || r.header.Audit == nil {
		return nil
	}
	if r.audit.take != nil {
		if err := r.audit.take(*r.header.Audit, r.messages()); err != nil {
			return err
		}
	}
	for _, err := range r.messages() { // whatever was left
		if err != nil {
			return err
		}
	}
	if r.what != frameEnd {
		return fmt.Errorf("%w: behind %s the end was expected, not %q", ErrDamaged, proto.StreamAudit, r.what)
	}
	return nil
}

func (r *Reader) messages() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for r.what == frameAudit {
			data := r.body
			err := r.audit.held.add(data)
			if err == nil {
				err = r.step()
			}
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

// add counts a message in.
func (h *AuditHeld) add(data []byte) error {
	head, _, err := proto.DecodeAudit(data)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case head.Seq == 0 || head.Seq > maxSeq || h.Last > 0 && head.Seq != h.Last+1:
		return fmt.Errorf("%w: message %s of %s lies behind %s", ErrDamaged, head.Seq, proto.StreamAudit, h.Last)
	case h.Last > 0 && head.Prev != hex.EncodeToString(h.Hash[:]) && h.Problem == "":
		h.Problem = fmt.Sprintf("message %s does not follow the one before it", head.Seq)
	}
	if h.First == 0 {
		h.First = head.Seq
	}
	h.Last, h.Hash, h.Events = head.Seq, proto.HashOf(data), h.Events+uint64(head.Count)
	return nil
}
