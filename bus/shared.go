package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

var (
	serviceResource = proto.Resource{Name: "services"}
	sliceResource   = proto.Resource{Group: discoveryv1.GroupName, Name: "endpointslices"}
)

// repeatEvery is how long a node may not know that it missed the last message.
const repeatEvery = 10 * time.Second

// shared is what all nodes are told by one message: Services, what is behind
// them, and where the other nodes are.
type shared struct {
	mu      sync.Mutex // held across publish: order must match the counter
	counter uint64
	parts   []proto.Want // answer to a sync, until the next change; nil before the first
}

// changeShared tells all nodes of a change that each has to know.
func (r *Relay) changeShared(c events.Change) error {
	if c.After == nil || c.After.Key.Resource == podResource {
		return nil
	}
	want := wantOf(c)
	if c.After.Key.Resource == nodeResource {
		before, after, err := r.peers(c)
		if err != nil || equality.Semantic.DeepEqual(before, after) {
			return err
		}
		if after != nil {
			if want.Body, err = after.Marshal(); err != nil {
				return fmt.Errorf("encode %s: %w", want.Key, err)
			}
		}
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.parts = nil
	r.shared.counter++
	if err := r.publishShared(want); err != nil {
		return fmt.Errorf("tell all nodes of %s: %w", want.Key, err)
	}
	return nil
}

func (r *Relay) publishShared(wants ...proto.WantPod) error {
	return r.cfg.Conn.nc.Publish(proto.SharedWant, proto.Pack(proto.Want{Counter: r.shared.counter, Pods: wants}))
}

// repeatShared says the counter again, now and then, until ctx ends. One that
// was not said is said the next time.
func (r *Relay) repeatShared(ctx context.Context) {
	again := time.NewTicker(repeatEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		r.shared.mu.Lock()
		err := r.publishShared()
		r.shared.mu.Unlock()
		if err != nil {
			r.log.Debug("all nodes were not told how far they are", "error", err)
		}
	}
}

// peers are a node before and after a change, as others see it.
func (r *Relay) peers(c events.Change) (before, after *corev1.Node, err error) {
	if before, err = r.peer(c.Before); err == nil {
		after, err = r.peer(c.After)
	}
	return before, after, err
}

func (r *Relay) peer(record *events.Record) (*corev1.Node, error) {
	if record == nil || record.Deleted {
		return nil, nil
	}
	object, err := r.cfg.Table.Decode(record)
	if err != nil {
		return nil, err
	}
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil, fmt.Errorf("%s is a %T", record.Key, object)
	}
	return peerOf(node), nil
}

// peerOf is what other nodes need to know of one: where it is, and its pods.
func peerOf(node *corev1.Node) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID},
		Spec:       corev1.NodeSpec{PodCIDR: node.Spec.PodCIDR, PodCIDRs: node.Spec.PodCIDRs},
		Status:     corev1.NodeStatus{Addresses: node.Status.Addresses},
	}
}

// syncShared answers everything that all nodes know. Many may ask at once, after
// a restart: it is made once, and again after a change.
func (r *Relay) syncShared(msg *nats.Msg) {
	node := proto.NodeName(proto.Pinned(msg.Subject))
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	if err := r.answerShared(msg, node); err != nil {
		r.log.Warn("a node was not told of the Services; it will ask again", "node", node, "error", err)
	}
}

func (r *Relay) answerShared(msg *nats.Msg, node proto.NodeName) error {
	if r.shared.parts == nil {
		if err := r.makeParts(); err != nil {
			return err
		}
	}
	for _, part := range r.shared.parts {
		if err := r.cfg.Conn.answer(msg, proto.NodeActor(node), part); err != nil {
			return err
		}
	}
	return nil
}

// makeParts is called with the lock held: what is relayed next counts on.
func (r *Relay) makeParts() error {
	view := r.cfg.Events.View()
	var parts []proto.Want
	s := syncing{
		want: proto.Want{Counter: r.shared.counter, Full: true, Seq: view.Seq()},
		send: func(part proto.Want) error { parts = append(parts, part); return nil },
	}
	if err := s.everythingShared(view); err != nil {
		return err
	}
	r.shared.parts = parts
	return nil
}

// everythingShared has the nodes first: what leads to endpoints.
func (s *syncing) everythingShared(view events.View) error {
	nodes, err := events.ListAs[*corev1.Node](view, events.Query{Resource: nodeResource})
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	for _, node := range nodes {
		peer := peerOf(node)
		peer.ResourceVersion = node.ResourceVersion
		if err := s.add(nodeResource, peer); err != nil {
			return err
		}
	}
	if err := all[*corev1.Service](s, view, events.Query{Resource: serviceResource}); err != nil {
		return fmt.Errorf("list the Services: %w", err)
	}
	if err := all[*discoveryv1.EndpointSlice](s, view, events.Query{Resource: sliceResource}); err != nil {
		return fmt.Errorf("list the EndpointSlices: %w", err)
	}
	return s.send(s.want)
}
