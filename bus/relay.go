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
// object, and the pods that are bound to it. One subscription to the log serves
// all nodes. Messages to a node are counted: a node that misses one asks for
// everything (Sync), and so does one that connects anew.
type Relay struct {
	cfg RelayConfig
	log *slog.Logger
	// hears is closed when what nodes ask reaches Run.
	hears chan struct{}

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
	return &Relay{
		cfg:   cfg,
		log:   orDefault(cfg.Log),
		hears: make(chan struct{}),
		base:  uint64(time.Now().UnixMilli()),
		nodes: map[proto.NodeName]*relayed{},
	}, nil
}

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context) error {
	from := r.cfg.Events.View().Seq()
	sub, err := r.cfg.Conn.nc.Subscribe(proto.AnyNode("sync"), r.sync)
	if err != nil {
		return fmt.Errorf("relay to nodes: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be closed already
	if err := r.cfg.Conn.flush(); err != nil {
		return fmt.Errorf("relay to nodes: %w", err)
	}
	close(r.hears)
	for change, err := range r.cfg.Events.Watch(ctx, from, podResource, nodeResource) {
		if err == nil {
			err = r.change(change)
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
	want := proto.WantPod{Key: c.After.Key, UID: c.After.UID, Seq: c.Seq, Gone: c.After.Deleted}
	if !want.Gone {
		want.Body = bodyOf(c.After)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.of(node)
	if c.Seq <= to.synced {
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

// bodyOf is the object's protobuf: its sections, one behind the other.
func bodyOf(record *events.Record) []byte {
	body := make([]byte, 0, len(record.Spec)+len(record.Status))
	return append(append(body, record.Spec...), record.Status...)
}

// syncPart is how many bytes of objects one message of a sync carries, unless
// it is a single larger one: far below what the server takes in one message.
const syncPart = 1 << 20

// sync answers everything that the node should know, in parts, and from which
// message on it goes on from there.
func (r *Relay) sync(msg *nats.Msg) {
	node := proto.NodeName(proto.Pinned(msg.Subject))
	r.mu.Lock()
	defer r.mu.Unlock()
	view := r.cfg.Events.View()
	to := r.of(node)
	s := syncing{
		want: proto.Want{Counter: to.counter, Full: true},
		send: func(part proto.Want) error { return r.cfg.Conn.answer(msg, proto.NodeActor(node), part) },
	}
	if err := s.everything(view, node); err != nil {
		r.log.Warn("a node was not told what to run; it will ask again", "node", node, "error", err)
		return
	}
	to.synced = view.Seq()
}

// syncing is a full sync under way.
type syncing struct {
	send func(part proto.Want) error
	want proto.Want // the next part
	size int        // of its bodies
}

// everything sends the node's own object first, then its pods.
func (s *syncing) everything(view events.View, node proto.NodeName) error {
	own, found, err := events.GetAs[*corev1.Node](view, nodeResource.Key("", string(node)))
	if err != nil {
		return fmt.Errorf("read node %s: %w", node, err)
	}
	if found {
		if err := s.add(nodeResource, own); err != nil {
			return err
		}
	}
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: podResource, Node: node})
	if err != nil {
		return fmt.Errorf("list the pods of node %s: %w", node, err)
	}
	for _, pod := range pods {
		if err := s.add(podResource, pod); err != nil {
			return err
		}
	}
	return s.send(s.want)
}

// add puts an object into the part, or into the next one when this one is full.
func (s *syncing) add(resource proto.Resource, object events.Object) error {
	key := resource.Key(object.GetNamespace(), object.GetName())
	seq, err := proto.ParseSeq(object.GetResourceVersion())
	if err != nil {
		return fmt.Errorf("version of %s: %w", key, err)
	}
	body, err := object.(interface{ Marshal() ([]byte, error) }).Marshal()
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	if s.size > 0 && s.size+len(body) > syncPart {
		s.want.More = true
		if err := s.send(s.want); err != nil {
			return err
		}
		s.want = proto.Want{Counter: s.want.Counter, Full: true, Part: s.want.Part + 1}
		s.size = 0
	}
	s.want.Pods = append(s.want.Pods, proto.WantPod{Key: key, UID: string(object.GetUID()), Seq: seq, Body: body})
	s.size += len(body)
	return nil
}
