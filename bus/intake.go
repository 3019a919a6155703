package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/report"
	"segno/proto"
)

// Cluster is what the intake needs of the cluster: the door for commands, of
// whichever log their kind lives in, and the newest state of the events' log.
type Cluster interface {
	Submit(ctx context.Context, cmd events.Command) (events.Outcome, error)
	View() events.View
}

// IntakeConfig says where nodes are heard and what their words become.
type IntakeConfig struct {
	Conn       *Conn // the control plane's
	Cluster    Cluster
	Relay      *Relay      // tells the counter of what was relayed; nil is none
	Identities *Identities // knows the nodes' keys; nil is none
	// Settle brings a Node's spec in line with its conditions, in place, and
	// answers what becomes of the pods on it: with what a node says of itself it
	// is one transaction. nil is nothing.
	Settle func(view events.View, node *corev1.Node, at time.Time) ([]events.Action, error)
	// History answers the newest transactions about an object, newest first; nil
	// leaves causes as nodes name them.
	History func(key proto.ObjectKey, limit int) ([]*proto.Envelope, error)
	// Notes writes lines for people, of a node about its own; nil drops them.
	Notes func(ctx context.Context, node proto.NodeName, notes []report.Note) error
	Audit *Audit // records what is refused; nil is nowhere
	Log   *slog.Logger
}

// Intake is where nodes speak to the control plane: registrations, reports and
// heartbeats become commands by the actor node:<name>. The name is the pinned
// token of the subject. A node may speak of itself and of its own pods only.
type Intake struct {
	cfg   IntakeConfig
	log   *slog.Logger
	lanes *lanes
	// telling is apart: nobody waits for what people read.
	telling *lanes
	beats   *lanes        // apart: a long report must not make a node look silent
	hears   chan struct{} // closed when what nodes say reaches Run

	registered sync.Map // by name: the nodes that have registered since the start
	failing    sync.Map // by name: which items of a node's last report failed, and how often
}

// NewIntake checks the configuration.
func NewIntake(cfg IntakeConfig) (*Intake, error) {
	if cfg.Conn == nil || cfg.Cluster == nil {
		return nil, errors.New("intake: Conn and Cluster are needed")
	}
	return &Intake{cfg: cfg, log: orDefault(cfg.Log), lanes: newLanes(), telling: newLanes(), beats: newLanes(), hears: make(chan struct{})}, nil
}

// Run serves nodes until ctx ends, and then finishes what it has begun.
func (in *Intake) Run(ctx context.Context) error {
	serve := map[string]func(context.Context, proto.NodeName, []byte) any{
		"report":   func(ctx context.Context, n proto.NodeName, data []byte) any { return in.report(ctx, n, data) },
		"register": func(ctx context.Context, n proto.NodeName, data []byte) any { return in.register(ctx, n, data) },
		"beat":     func(ctx context.Context, n proto.NodeName, _ []byte) any { return in.beat(ctx, n) },
	}
	var subs []*nats.Subscription
	defer func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe() // the connection may be closed already
		}
		in.lanes.finish()
		in.beats.finish()
		in.telling.finish()
	}()
	for what, act := range serve {
		lanes := in.lanes
		if what == "beat" {
			lanes = in.beats
		}
		sub, err := in.cfg.Conn.nc.Subscribe(proto.AnyNode(what), func(msg *nats.Msg) { in.take(ctx, lanes, msg, act) })
		if err != nil {
			return fmt.Errorf("hear nodes: %w", err)
		}
		subs = append(subs, sub)
	}
	if err := in.cfg.Conn.flush(); err != nil {
		return fmt.Errorf("hear nodes: %w", err)
	}
	close(in.hears)
	<-ctx.Done()
	return nil
}

// Ready waits until nodes are heard.
func (in *Intake) Ready(ctx context.Context) error { return awaitHeard(ctx, in.hears) }

// take has one message acted on in its node's lane. A node that sends more
// than its lane holds gets no answer, and sends again.
func (in *Intake) take(ctx context.Context, lanes *lanes, msg *nats.Msg, act func(context.Context, proto.NodeName, []byte) any) {
	node := proto.NodeName(proto.Pinned(msg.Subject))
	lanes.put(node, len(msg.Data), func() {
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		if err := in.serve(ctx, node, msg, act); err != nil {
			in.log.Warn("a node was not answered", "error", err)
			if errors.Is(err, errNotItsInbox) {
				in.cfg.Audit.refused(refusal{who: proto.NodeActor(node), verb: "publish", subject: msg.Subject, err: err, began: began})
			}
		}
	})
}

func (in *Intake) serve(ctx context.Context, node proto.NodeName, msg *nats.Msg, act func(context.Context, proto.NodeName, []byte) any) (err error) {
	defer recovered(&err)
	return in.cfg.Conn.answer(msg, proto.NodeActor(node), act(ctx, node, msg.Data))
}
