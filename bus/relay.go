package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// Follower is the events' log as the relay follows it: a projection.
type Follower interface {
	View() events.View
	// Watch yields every change behind the sequence, of these resources: one for
	// an object and a transaction, from before it to after it.
	Watch(ctx context.Context, after proto.Seq, resources ...proto.Resource) iter.Seq2[events.Change, error]
}

// RelayConfig says what is relayed and over which connection.
type RelayConfig struct {
	Conn   *Conn // the control plane's
	Events Follower
	Table  *events.Table
	Log    *slog.Logger
}

// Relay tells each node what concerns it, as it becomes durable: its own Node
// object, the pods that are bound to it, and, if it was chosen to run ingress,
// certificates (certificates.go); and all nodes at once what each has to know
// (shared.go). One subscription to the log serves all nodes. Messages are counted:
// a node that misses one asks for everything (Sync), and so does one that connects
// anew.
type Relay struct {
	cfg    RelayConfig
	log    *slog.Logger
	hears  chan struct{} // closed when what nodes ask reaches Run
	shared shared
	certs  *certificates // Run's

	mu    sync.Mutex // held across publish: order must match the counter
	base  uint64     // of counters: rises with each start
	nodes map[proto.NodeName]*relayed
}

type relayed struct {
	counter uint64
	synced  proto.Seq // a sync told everything up to here
}

// NewRelay checks the configuration.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.Conn == nil || cfg.Events == nil || cfg.Table == nil {
		return nil, errors.New("relay: Conn, Events and Table are needed")
	}
	base := uint64(time.Now().UnixMilli())
	return &Relay{
		cfg: cfg, log: orDefault(cfg.Log), hears: make(chan struct{}), shared: shared{counter: base},
		base: base, nodes: map[proto.NodeName]*relayed{},
	}, nil
}

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	view := r.cfg.Events.View()
	if err := r.lookForPolicies(view); err != nil {
		return err
	}
	var err error
	if r.certs, err = newCertificates(view); err != nil {
		return fmt.Errorf("relay to nodes: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var repeating sync.WaitGroup
	defer func() {
		cancel()
		repeating.Wait()
	}()
	shared := func(msg *nats.Msg) { r.syncShared(ctx, msg) }
	for what, answer := range map[string]nats.MsgHandler{"sync": r.sync, "shared": shared} {
		sub, err := r.cfg.Conn.nc.Subscribe(proto.AnyNode(what), answer)
		if err != nil {
			return fmt.Errorf("relay to nodes: %w", err)
		}
		defer func() { _ = sub.Unsubscribe() }() // the connection may be closed already
	}
	if err := r.cfg.Conn.flush(); err != nil {
		return fmt.Errorf("relay to nodes: %w", err)
	}
	close(r.hears)
	repeating.Go(func() { r.repeatShared(ctx) })
	for change, err := range r.cfg.Events.Watch(ctx, view.Seq(), relayedResources...) {
		if err == nil {
			err = errors.Join(r.change(change), r.changeShared(change), r.changeCertificates(change))
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("relay to nodes: %w", err)
		}
	}
	return nil
}

// Ready waits until nodes are answered.
func (r *Relay) Ready(ctx context.Context) error { return awaitHeard(ctx, r.hears) }

// awaitHeard waits until nodes that ask find somebody who listens.
func awaitHeard(ctx context.Context, hears <-chan struct{}) error {
	select {
	case <-hears:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait until nodes are heard: %w", ctx.Err())
	}
}

// Counter is that of the newest message relayed to the node.
func (r *Relay) Counter(node proto.NodeName) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of(node).counter
}

func (r *Relay) of(node proto.NodeName) *relayed {
	to := r.nodes[node]
	if to == nil {
		to = &relayed{counter: r.base}
		r.nodes[node] = to
	}
	return to
}

// change relays one change to the node that it concerns, if any. Words of others
// in a pod's status are for the node, too: it passes on their conditions.
func (r *Relay) change(c events.Change) error {
	if c.After == nil {
		return nil
	}
	node, err := r.concerned(c.After)
	if err != nil || node == "" {
		return err
	}
	if c.Event.Section == proto.SectionStatus && c.Actor == proto.NodeActor(node) {
		return nil // the node's own words
	}
	return r.tell(node, c.Seq, wantOf(c))
}

// tell relays to one node what became so with seq.
func (r *Relay) tell(node proto.NodeName, seq proto.Seq, want proto.WantPod) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.of(node)
	if seq <= to.synced {
		return nil // it was told something newer
	}
	to.counter++
	message := proto.Want{Counter: to.counter, Pods: []proto.WantPod{want}}
	if err := r.cfg.Conn.nc.Publish(proto.NodeWant(node), proto.Pack(message)); err != nil {
		return fmt.Errorf("tell node %s of %s: %w", node, want.Key, err)
	}
	return nil
}

// concerned is the node that an object is about, "" for none.
func (r *Relay) concerned(record *events.Record) (proto.NodeName, error) {
	if record.Key.Resource == nodeResource {
		return proto.NodeName(record.Key.Name), nil
	}
	if record.Key.Resource != podResource {
		return "", nil
	}
	object, err := r.cfg.Table.Decode(record)
	if err != nil {
		return "", err
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return "", nil
	}
	return proto.NodeName(pod.Spec.NodeName), nil
}
