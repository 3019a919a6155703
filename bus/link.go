package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

const (
	linkPatience = 15 * time.Second // for an answer of the control plane
	linkBuffer   = 1024             // relayed messages that a node has not yet looked at
)

// Link is a node's way to the control plane: the agents' Link over the bus.
type Link struct {
	conn *Conn
	node proto.NodeName
}

// NewLink speaks for the node over its own connection.
func NewLink(conn *Conn, node proto.NodeName) *Link { return &Link{conn: conn, node: node} }

// Register creates or updates the Node object and answers it as it then is.
func (l *Link) Register(ctx context.Context, node *corev1.Node) (*corev1.Node, error) {
	body, err := node.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode node %s: %w", l.node, err)
	}
	var answer proto.Registered
	if err := l.ask(ctx, proto.NodeRegister(l.node), proto.Pack(proto.Register{Node: body}), &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	out := &corev1.Node{}
	if err := out.Unmarshal(answer.Node); err != nil {
		return nil, fmt.Errorf("decode node %s: %w", l.node, err)
	}
	return out, nil
}

// Sync answers everything that the node should run, once all parts of it are
// here. After an error the caller asks again.
func (l *Link) Sync(ctx context.Context) (proto.Want, error) {
	subject, inbox := proto.NodeSync(l.node), l.conn.nc.NewInbox()
	sub, err := l.conn.nc.SubscribeSync(inbox)
	if err != nil {
		return proto.Want{}, fmt.Errorf("ask at %s: %w", subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }()            // the connection may be closed already
	if err = sub.SetPendingLimits(-1, -1); err == nil { // all of it is kept anyway
		err = l.conn.nc.PublishRequest(subject, inbox, nil)
	}
	var all proto.Want
	if err == nil {
		all, err = assembled(func() (proto.Want, error) { return nextPart(ctx, sub) })
	}
	if err != nil {
		return proto.Want{}, fmt.Errorf("ask at %s: %w", subject, err)
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
			all.Counter = part.Counter
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

// Report delivers statuses; it returns once the answer is here.
func (l *Link) Report(ctx context.Context, report proto.Report) (proto.Reply, error) {
	var reply proto.Reply
	return reply, l.ask(ctx, proto.NodeReport(l.node), proto.Pack(report), &reply)
}

// Beat says that the node lives.
func (l *Link) Beat(ctx context.Context) (uint64, error) {
	var beat proto.Beat
	if err := l.ask(ctx, proto.NodeBeat(l.node), nil, &beat); err != nil {
		return 0, err
	}
	if beat.Error != "" {
		return 0, errors.New(beat.Error)
	}
	return beat.Counter, nil
}

func (l *Link) ask(ctx context.Context, subject string, data []byte, answer any) error {
	return ask(ctx, l.conn, subject, data, answer)
}

// ask sends a request and unpacks its answer.
func ask(ctx context.Context, conn *Conn, subject string, data []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	msg, err := conn.nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("ask at %s: %w", subject, ErrNobody)
	}
	if err != nil {
		return fmt.Errorf("ask at %s: %w", subject, err)
	}
	return proto.Unpack(msg.Data, answer)
}

// Wants subscribes to what is relayed to this node; it is subscribed when it
// returns. The channel closes when something may have been missed, or ctx ends.
func (l *Link) Wants(ctx context.Context) (<-chan proto.Want, error) {
	w := &wants{to: make(chan proto.Want, linkBuffer)}
	sub, err := l.conn.nc.Subscribe(proto.NodeWant(l.node), w.take)
	if err != nil {
		return nil, fmt.Errorf("hear what node %s should run: %w", l.node, err)
	}
	l.conn.hold(w, w.end)
	context.AfterFunc(ctx, func() {
		l.conn.letGo(w)
		_ = sub.Unsubscribe() // the connection may be closed already
		w.end()
	})
	if err := l.conn.flush(); err != nil {
		w.end()
		return nil, fmt.Errorf("hear what node %s should run: %w", l.node, err)
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
