package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/virtual"
	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

const (
	// beatEvery is the time between two heartbeats, as agents have it, and leaseFor
	// what one is good for.
	beatEvery = 10 * time.Second
	leaseFor  = 40 * time.Second
)

// nodes are the simulated ones, by name.
type nodes struct {
	list  []*virtual.Node
	fates *virtual.Fates
	beat  time.Time // when the next heartbeats are due
}

func (n *nodes) find(name proto.NodeName) (at int, found bool) {
	return slices.BinarySearchFunc(n.list, name, func(one *virtual.Node, name proto.NodeName) int {
		return strings.Compare(string(one.Name()), string(name))
	})
}

// populate makes a simulated node of every Node there is. One that was known to be
// silent stays so.
func (s *Sandbox) populate(ctx context.Context) error {
	view := s.View()
	pods, err := events.ListAs[*corev1.Pod](view, events.Query{Resource: reconcilers.Pods})
	if err != nil {
		return fmt.Errorf("list the pods of a sandbox: %w", err)
	}
	s.nodes.fates = virtual.Learn(pods, s.begun)
	s.nodes.beat = s.begun
	found, err := events.ListAs[*corev1.Node](view, events.Query{Resource: reconcilers.Nodes})
	if err != nil {
		return fmt.Errorf("list the nodes of a sandbox: %w", err)
	}
	for _, node := range found {
		own := slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return p.Spec.NodeName != node.Name })
		if err := s.addNode(ctx, node, own); err != nil {
			return err
		}
		if wasSilent(node) {
			s.Silence(proto.NodeName(node.Name))
		}
	}
	return nil
}

func (s *Sandbox) addNode(ctx context.Context, node *corev1.Node, pods []*corev1.Pod) error {
	n, err := virtual.New(ctx, virtual.Config{
		Node: node, Pods: pods, Now: s.clock.Now, Fates: s.nodes.fates, Start: s.cfg.Start, Pull: s.cfg.Pull,
	})
	if err != nil {
		return err
	}
	at, found := s.nodes.find(n.Name())
	if !found {
		s.nodes.list = slices.Insert(s.nodes.list, at, n)
		s.count.Add(1)
	}
	return nil
}

// wasSilent tells whether a node was known to have vanished by then. The age of
// its lease tells nothing: while the control plane is down nobody takes heartbeats,
// and at its start all leases are old, though every node is well.
func wasSilent(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown
	})
}

// Silence makes a node vanish, as a machine does whose power is cut: its Node
// object stays, and nothing is heard of it. It answers whether there is such a node.
func (s *Sandbox) Silence(name proto.NodeName) bool {
	at, found := s.nodes.find(name)
	if found {
		s.nodes.list[at].Silence()
	}
	return found
}

// tellNodes passes a change on to the node that it concerns, as the relay does:
// all but a node's own words.
func (s *Sandbox) tellNodes(ctx context.Context, c events.Change) error {
	if c.After == nil {
		return nil
	}
	switch c.After.Key.Resource {
	case reconcilers.Nodes:
		return s.nodeChanged(ctx, c)
	case reconcilers.Pods:
	default:
		return nil
	}
	obj, err := s.truth().Object(c.After)
	if err != nil {
		return fmt.Errorf("tell a node of %s: %w", c.After.Key, err)
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil
	}
	at, found := s.nodes.find(proto.NodeName(pod.Spec.NodeName))
	switch own := c.Actor == proto.NodeActor(proto.NodeName(pod.Spec.NodeName)); {
	case !found || own && c.Event.Section == proto.SectionStatus:
	case c.After.Deleted:
		s.nodes.list[at].Gone(string(pod.UID))
	default:
		s.nodes.list[at].Want(pod)
	}
	return nil
}

// nodeChanged takes away the machine of a Node that was removed, and puts one
// behind a Node that somebody made.
func (s *Sandbox) nodeChanged(ctx context.Context, c events.Change) error {
	at, found := s.nodes.find(proto.NodeName(c.After.Key.Name))
	switch {
	case c.After.Deleted && found:
		s.nodes.list = slices.Delete(s.nodes.list, at, at+1)
		s.count.Add(-1)
	case !c.After.Deleted && !found:
		obj, err := s.truth().Object(c.After)
		if err != nil {
			return fmt.Errorf("make the node %s: %w", c.After.Key.Name, err)
		}
		if node, ok := obj.(*corev1.Node); ok {
			if err := s.addNode(ctx, node, nil); err != nil {
				return err
			}
			return s.register(ctx, node)
		}
	}
	return nil
}

// register says for a machine that is new what an agent says of itself.
func (s *Sandbox) register(ctx context.Context, node *corev1.Node) error {
	is := events.Copy(node)
	is.ResourceVersion = ""
	is.Status = virtual.StatusOf(node, s.clock.Now())
	_, err := s.Submit(ctx, events.Command{
		Actor: proto.NodeActor(proto.NodeName(node.Name)), Via: "node agent", Manager: "segno-agent", Reason: "Registered",
		Action: events.Update{Key: reconcilers.Nodes.Key("", node.Name), Subresource: events.SubStatus, Object: is},
	})
	if err != nil && !moot(err) {
		return fmt.Errorf("register node %s of a sandbox: %w", node.Name, err)
	}
	return nil
}

func moot(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// stepNodes has every node do what is due, and takes what it says.
func (s *Sandbox) stepNodes(ctx context.Context) (worked bool, err error) {
	now := s.clock.Now()
	if !now.Before(s.nodes.beat) {
		s.nodes.beat = s.nodes.beat.Add(beatEvery)
		if err := s.beats(ctx, now); err != nil {
			return true, err
		}
	}
	for _, n := range slices.Clone(s.nodes.list) {
		if due, _ := n.Due(now); !due {
			continue
		}
		worked = true
		if err := s.hear(ctx, n.Name(), n.Step(ctx)); err != nil {
			return worked, err
		}
	}
	return worked, nil
}

// beats renews the leases of all nodes that are heard, in one transaction:
// heartbeats are not history.
func (s *Sandbox) beats(ctx context.Context, now time.Time) error {
	var all events.Batch
	at, seconds := metav1.NewMicroTime(now), int32(leaseFor/time.Second)
	for _, n := range s.nodes.list {
		if n.Silent() {
			continue
		}
		holder := string(n.Name())
		key := reconcilers.Leases.Key(reconcilers.NamespaceNodeLease, holder)
		all = append(all, events.Update{Key: key, CreateUID: reconcilers.UID("lease", holder), Object: &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: holder, Namespace: reconcilers.NamespaceNodeLease},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &at},
		}})
	}
	const atOnce = 1000
	for part := range slices.Chunk(all, atOnce) {
		_, err := s.Submit(ctx, events.Command{Actor: "system:nodes", Via: "node agents", Manager: "segno-agent", Action: part})
		if err != nil {
			return fmt.Errorf("take the heartbeats of a sandbox: %w", err)
		}
	}
	return nil
}
