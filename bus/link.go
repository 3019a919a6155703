package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

const linkPatience = 15 * time.Second // for an answer of the control plane

// Link is a node's way to the control plane: the agents' Link over the bus.
type Link struct {
	Hearing // of what concerns this node

	node proto.NodeName
}

// NewLink speaks for the node over its own connection.
func NewLink(conn *Conn, node proto.NodeName) *Link {
	return &Link{Hearing{conn: conn, want: proto.NodeWant(node), sync: proto.NodeSync(node)}, node}
}

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
