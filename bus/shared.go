package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/proto"
)

var (
	serviceResource = proto.Resource{Name: "services"}
	sliceResource   = proto.Resource{Group: discoveryv1.GroupName, Name: "endpointslices"}
	// relayedResources are those of which nodes are told: all of them, or one.
	relayedResources = []proto.Resource{
		podResource, nodeResource, serviceResource, sliceResource, namespaceResource, policyResource,
		ingressResource, ingressClassResource, secretResource,
	}
)

// repeatEvery is how long a node may not know that it missed the last message.
const repeatEvery = 10 * time.Second

// shared is what all nodes are told by one message: Services, what is behind
// them, Ingresses, where the other nodes are, and, once there is a NetworkPolicy,
// whom policies speak of (policed.go).
type shared struct {
	mu      sync.Mutex // held across publish: order must match the counter
	counter uint64
	parts   [][]byte // answer to a sync, packed, until the next change; nil before the first
	policed bool     // there was a NetworkPolicy: nodes know pods and namespaces

	making sync.Mutex // held while parts are made: once for all who ask; taken before mu
	turns  turns
}

// changeShared tells all nodes of a change that each has to know.
func (r *Relay) changeShared(c events.Change) error {
	if c.After == nil {
		return nil
	}
	want, concerns, err := r.wordOf(c)
	if err != nil || !concerns {
		return err
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.parts = nil
	if c.After.Key.Resource == policyResource {
		if err := r.police(want); err != nil {
			return err
		}
	}
	r.shared.counter++
	if err := r.publishShared(want); err != nil {
		return fmt.Errorf("tell all nodes of %s: %w", want.Key, err)
	}
	return nil
}

// wordOf is what all nodes are told of a change, if it concerns them.
func (r *Relay) wordOf(c events.Change) (want proto.WantPod, concerns bool, err error) {
	want = wantOf(c)
	switch c.After.Key.Resource {
	case nodeResource:
		return shortened(r, want, c, peerOf)
	case podResource:
		if !r.policed() {
			return want, false, nil
		}
		return shortened(r, want, c, identityOf)
	case namespaceResource:
		if !r.policed() {
			return want, false, nil
		}
		return shortened(r, want, c, labelsOf)
	case ingressResource:
		return shortened(r, want, c, entryOf)
	case secretResource:
		return want, false, nil // certificates.go
	default:
		return want, true, nil
	}
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

// peerOf is what other nodes need to know of one: where it is, its pods, and
// whether it can take traffic from outside. Nothing of that changes with a
// heartbeat.
func peerOf(node *corev1.Node) *corev1.Node {
	peer := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: node.Name, UID: node.UID,
			Labels: only(node.Labels, corev1.LabelNodeExcludeBalancers), Annotations: only(node.Annotations, proto.NodeNetworks, proto.NodeGateways, proto.NodeHardware, proto.NodeLink),
		},
		Spec:   corev1.NodeSpec{PodCIDR: node.Spec.PodCIDR, PodCIDRs: node.Spec.PodCIDRs},
		Status: corev1.NodeStatus{Addresses: node.Status.Addresses},
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady || c.Type == proto.NodeServiceProxy {
			peer.Status.Conditions = append(peer.Status.Conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status})
		}
	}
	return peer
}

// only are the entries of some keys that there are; nil is none.
func only(of map[string]string, keys ...string) (out map[string]string) {
	for _, key := range keys {
		if value, has := of[key]; has {
			out = merged(out, map[string]string{key: value})
		}
	}
	return out
}

// syncShared answers everything that all nodes know. Many may ask at once, after
// a restart: it is made once, and again after a change. A node that asks over and
// over waits for its turn.
func (r *Relay) syncShared(ctx context.Context, msg *nats.Msg) {
	node := proto.NodeName(proto.Pinned(msg.Subject))
	r.shared.turns.take(ctx, node, msg, func(msg *nats.Msg) {
		if err := r.answerShared(msg, node); err != nil {
			r.log.Warn("a node was not told of the Services; it will ask again", "node", node, "error", err)
		}
	})
}

// answerShared sends without a lock: a node keeps what it hears meanwhile, and
// goes on with what is counted behind its answer.
func (r *Relay) answerShared(msg *nats.Msg, node proto.NodeName) error {
	parts, err := r.sharedParts()
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := r.cfg.Conn.answerPacked(msg, proto.NodeActor(node), part); err != nil {
			return err
		}
	}
	return nil
}

// sharedParts are the answer to a sync as of now. They are made while changes are
// told on: the view has all up to the counter, and what it has beyond is told
// again.
func (r *Relay) sharedParts() ([][]byte, error) {
	r.shared.making.Lock()
	defer r.shared.making.Unlock()
	r.shared.mu.Lock()
	parts, counter, policed, view := r.shared.parts, r.shared.counter, r.shared.policed, r.cfg.Events.View()
	r.shared.mu.Unlock()
	if parts != nil {
		return parts, nil
	}
	s := syncing{
		want: proto.Want{Counter: counter, Full: true, Seq: view.Seq()},
		send: func(part proto.Want) error { parts = append(parts, proto.Pack(part)); return nil },
	}
	if err := s.everythingShared(view, policed); err != nil {
		return nil, err
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	if r.shared.counter == counter {
		r.shared.parts = parts
	}
	return parts, nil
}

// everythingShared has the nodes first: what leads to endpoints.
func (s *syncing) everythingShared(view events.View, policed bool) error {
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
	if err := all[*networkingv1.IngressClass](s, view, events.Query{Resource: ingressClassResource}); err != nil {
		return fmt.Errorf("list the classes of Ingresses: %w", err)
	}
	if err := s.entries(view); err != nil {
		return err
	}
	return s.policies(view, policed)
}
