package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"segno/proto"
)

// hearingBuffer is how many relayed messages a node may not yet have looked at.
const hearingBuffer = 1024

// Hearing is how a node hears one stream of Wants: the agents' Feed over the bus.
type Hearing struct {
	conn       *Conn
	want, sync string // subjects
}

// NewShared hears what all nodes are told, with the node's own connection.
func NewShared(conn *Conn, node proto.NodeName) *Hearing {
	return &Hearing{conn: conn, want: proto.SharedWant, sync: proto.NodeShared(node)}
}

// Sync answers everything that the node should know, once all parts of it are
// here. After an error the caller asks again.
func (h *Hearing) Sync(ctx context.Context) (proto.Want, error) {
	inbox := h.conn.nc.NewInbox()
	sub, err := h.conn.nc.SubscribeSync(inbox)
	if err != nil {
		return proto.Want{}, fmt.Errorf("ask at %s: %w", h.sync, err)
	}
	defer func() { _ = sub.Unsubscribe() }()            // the connection may be closed already
	if err = sub.SetPendingLimits(-1, -1); err == nil { // all of it is kept anyway
		err = h.conn.nc.PublishRequest(h.sync, inbox, nil)
	}
	var all proto.Want
	if err == nil {
		all, err = assembled(func() (proto.Want, error) { return nextPart(ctx, sub) })
	}
	if err != nil {
		return proto.Want{}, fmt.Errorf("ask at %s: %w", h.sync, err)
	}
	return all, nil
}

// assembled puts the parts of a sync together.
func assembled(next func() (proto.Want, error)) (proto.Want, error) {
	all := proto.Want{Full: true}
	for due := uint32(0); ; due++ {
		part, err := next()
		if err != nil {
			return proto.Want{}, err
		}
		if due == 0 {
			all.Counter, all.Seq = part.Counter, part.Seq
		}
		if !part.Full || part.Part != due || part.Counter != all.Counter {
			return proto.Want{}, fmt.Errorf("part %d of sync %d came where part %d of sync %d was due", part.Part, part.Counter, due, all.Counter)
		}
		all.Pods = append(all.Pods, part.Pods...)
		if !part.More {
			return all, nil
		}
	}
}

func nextPart(ctx context.Context, sub *nats.Subscription) (part proto.Want, err error) {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	msg, err := sub.NextMsgWithContext(ctx)
	if errors.Is(err, nats.ErrNoResponders) {
		return part, ErrNobody
	}
	if err != nil {
		return part, err
	}
	return part, proto.Unpack(msg.Data, &part)
}

// Wants subscribes to what is relayed; it is subscribed when it
// returns. The channel closes when something may have been missed, or ctx ends.
func (h *Hearing) Wants(ctx context.Context) (<-chan proto.Want, error) {
	w := &wants{to: make(chan proto.Want, hearingBuffer)}
	sub, err := h.conn.nc.Subscribe(h.want, w.take)
	if err != nil {
		return nil, fmt.Errorf("hear what is told at %s: %w", h.want, err)
	}
	h.conn.hold(w, w.end)
	context.AfterFunc(ctx, func() {
		h.conn.letGo(w)
		_ = sub.Unsubscribe() // the connection may be closed already
		w.end()
	})
	if err := h.conn.flush(); err != nil {
		w.end()
		return nil, fmt.Errorf("hear what is told at %s: %w", h.want, err)
	}
	return w.to, nil
}

// wants is one subscription to what is relayed.
type wants struct {
	mu    sync.Mutex
	to    chan proto.Want
	ended bool
}

func (w *wants) take(msg *nats.Msg) {
	var want proto.Want
	err := proto.Unpack(msg.Data, &want)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if err == nil {
		select {
		case w.to <- want:
			return
		default:
		}
	}
	w.ended = true // the node is too slow, or was told what it cannot read
	close(w.to)
}

func (w *wants) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		close(w.to)
	}
}
