package bus

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

const (
	readBatch    = 2048
	readBytes    = 16 << 20
	readPatience = 30 * time.Second
)

// readRequest is the body of a JetStream direct get of many messages.
type readRequest struct {
	Seq      proto.Seq `json:"seq"`
	Batch    uint64    `json:"batch"`
	MaxBytes int       `json:"max_bytes"`
	Bare     bool      `json:"no_hdr"`
}

// read calls each with every message of the stream between from and to, in
// order. A message that the server cannot give, or has under another sequence,
// is a damage; so is what each answers as one. The bytes are the caller's.
//
// Where messages are missing in the middle the server skips them silently:
// each then gets a later message under the missing one's sequence, and must
// notice that it is not what it should be.
func (s *stream) read(ctx context.Context, from, to proto.Seq, each func(seq proto.Seq, data []byte) error) error {
	inbox := s.conn.nc.NewInbox()
	sub, err := s.conn.nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	for at := from; at <= to; {
		body, err := json.Marshal(readRequest{Seq: at, Batch: min(readBatch, uint64(to-at+1)), MaxBytes: readBytes, Bare: true})
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if err := s.conn.nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, body); err != nil {
			return fmt.Errorf("read the log from %s: %w", at, err)
		}
		if at, err = readAnswers(ctx, sub, at, each); err != nil {
			return err
		}
	}
	return nil
}

// readAnswers takes the messages of one request and answers the next sequence.
func readAnswers(ctx context.Context, sub *nats.Subscription, from proto.Seq, each func(proto.Seq, []byte) error) (proto.Seq, error) {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	for at := from; ; at++ {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return at, fmt.Errorf("read transaction %s of the log: %w", at, err)
		}
		switch status := msg.Header.Get("Status"); {
		case status == "":
			if err := each(at, msg.Data); err != nil {
				return at, err
			}
		case status == "204" && at > from:
			last, err := strconv.ParseUint(msg.Header.Get("Nats-Last-Sequence"), 10, 64)
			if err != nil || proto.Seq(last) != at-1 {
				return at, &damage{seq: at - 1, want: "the message of this sequence", found: "one of sequence " + msg.Header.Get("Nats-Last-Sequence")}
			}
			return at, nil
		default:
			return at, &damage{seq: at, want: "a message", found: "none (" + status + " " + msg.Header.Get("Description") + ")"}
		}
	}
}

// damage is a place at which the log is not what it was.
type damage struct {
	seq         proto.Seq
	want, found string
	what        string // lies there; "" is a transaction
}

// Error implements error.
func (d *damage) Error() string {
	return fmt.Sprintf("%s %s: expected %s, found %s", cmp.Or(d.what, "transaction"), d.seq, d.want, d.found)
}
