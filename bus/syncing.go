package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/proto"
)

// wantOf is the word of a change.
func wantOf(c events.Change) proto.WantPod {
	want := proto.WantPod{Key: c.After.Key, UID: c.After.UID, Seq: c.Seq, Gone: c.After.Deleted}
	if !want.Gone {
		want.Body = bodyOf(c.After)
	}
	return want
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
	if err := s.everythingOf(view, node); err != nil {
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

// everythingOf sends the node's own object first, then its pods.
func (s *syncing) everythingOf(view events.View, node proto.NodeName) error {
	own, found, err := events.GetAs[*corev1.Node](view, nodeResource.Key("", string(node)))
	if err != nil {
		return fmt.Errorf("read node %s: %w", node, err)
	}
	if found {
		if err := s.add(nodeResource, own); err != nil {
			return err
		}
		if err := s.certificatesOf(view, own); err != nil {
			return fmt.Errorf("the certificates of node %s: %w", node, err)
		}
	}
	if err := all[*corev1.Pod](s, view, events.Query{Resource: podResource, Node: node}); err != nil {
		return fmt.Errorf("the pods of node %s: %w", node, err)
	}
	return s.send(s.want)
}

// all adds what a query finds.
func all[T events.Object](s *syncing, view events.View, query events.Query) error {
	found, err := events.ListAs[T](view, query)
	if err != nil {
		return err
	}
	for _, object := range found {
		if err := s.add(query.Resource, object); err != nil {
			return err
		}
	}
	return nil
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
		s.want = proto.Want{Counter: s.want.Counter, Full: true, Part: s.want.Part + 1, Seq: s.want.Seq}
		s.size = 0
	}
	s.want.Pods = append(s.want.Pods, proto.WantPod{Key: key, UID: string(object.GetUID()), Seq: seq, Body: body})
	s.size += len(body)
	return nil
}
