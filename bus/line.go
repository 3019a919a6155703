package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

const expectedLastSequence = "Nats-Expected-Last-Sequence"

// errRefused is wrapped by what the log says to an append out of sequence.
var errRefused = errors.New("the log refused the append")

// line publishes transactions to a stream, each fenced by the sequence it
// must follow. Only the last of a flight asks for an acknowledgement: since
// each can only follow the one before, it speaks for all of them.
type line struct {
	conn  *Conn
	inbox string
	acks  chan ack
	lost  <-chan struct{} // the connection is closed
	acked proto.Seq       // newest acknowledged; the commit loop's
}

type ack struct {
	seq proto.Seq
	err error
}

func newLine(conn *Conn) (*line, error) {
	lost := make(chan struct{})
	conn.nc.SetClosedHandler(func(*nats.Conn) { close(lost) })
	l := &line{conn: conn, inbox: conn.nc.NewInbox(), acks: make(chan ack, 4*flightsWaiting), lost: lost}
	_, err := conn.nc.Subscribe(l.inbox, l.hear)
	if err != nil {
		return nil, fmt.Errorf("subscribe to acknowledgements: %w", err)
	}
	return l, nil
}

// hear passes an acknowledgement on to the commit loop, unless that is gone.
func (l *line) hear(msg *nats.Msg) {
	select {
	case l.acks <- readAck(msg):
	case <-l.lost:
	}
}

func readAck(msg *nats.Msg) ack {
	if msg.Header.Get("Status") == "503" {
		return ack{err: errors.New("the log's stream does not answer")}
	}
	var body struct {
		Seq   proto.Seq `json:"seq"`
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &body); err != nil {
		return ack{err: fmt.Errorf("acknowledgement %q: %w", msg.Data, err)}
	}
	if body.Error != nil {
		return ack{err: fmt.Errorf("%w: %s (%d): another writer has appended, or the log lost its end", errRefused, body.Error.Description, body.Error.Code)}
	}
	return ack{seq: body.Seq}
}

func (l *line) publish(subject string, entry proto.Entry, last bool) error {
	msg := &nats.Msg{
		Subject: subject,
		Header:  nats.Header{expectedLastSequence: {(entry.Envelope.Seq - 1).String()}},
		Data:    entry.Encoded,
	}
	if last {
		msg.Reply = l.inbox
	}
	if err := l.conn.nc.PublishMsg(msg); err != nil {
		return fmt.Errorf("append %s to the log: %w", entry.Envelope.Seq, err)
	}
	return nil
}

// wait returns once the log has everything up to seq.
func (l *line) wait(ctx context.Context, seq proto.Seq) error {
	if l.acked >= seq {
		return nil
	}
	patience := time.NewTimer(ackPatience)
	defer patience.Stop()
	for l.acked < seq {
		select {
		case a := <-l.acks:
			if a.err != nil {
				return fmt.Errorf("append %s to the log: %w", seq, a.err)
			}
			l.acked = a.seq
		case <-l.lost:
			return fmt.Errorf("append %s to the log: the connection to the server is closed", seq)
		case <-patience.C:
			return fmt.Errorf("append %s to the log: no acknowledgement within %s", seq, ackPatience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
