package bus

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/events"
	"segno/proto"
)

const (
	// NodeKeyAnnotation is where a Node object keeps the node's public nkey.
	NodeKeyAnnotation = "segno/nkey"
	// LeaseNamespace is where the nodes' heartbeats are.
	LeaseNamespace = corev1.NamespaceNodeLease
	// leaseSeconds is what a heartbeat is good for, as in Kubernetes.
	leaseSeconds = 40
	// restricted labels are for people to put on nodes, not for nodes.
	restricted = "node-restriction.kubernetes.io/"
)

var leaseResource = proto.Resource{Group: "coordination.k8s.io", Name: "leases"}

// register makes the Node object, or brings it up to date.
func (in *Intake) register(ctx context.Context, node proto.NodeName, data []byte) proto.Registered {
	var message proto.Register
	given := &corev1.Node{}
	err := proto.Unpack(data, &message)
	if err == nil {
		err = given.Unmarshal(message.Node)
	}
	if err == nil && given.Name != string(node) {
		err = notIts(node, nodeResource.Key("", given.Name))
	}
	if err != nil {
		return proto.Registered{Error: err.Error()}
	}
	in.own(node, given)
	have, err := in.enroll(ctx, node, given)
	if err != nil {
		return proto.Registered{Error: err.Error()}
	}
	if data, err = have.Marshal(); err != nil {
		return proto.Registered{Error: err.Error()}
	}
	return proto.Registered{Node: data}
}

// own takes out of a node's description what is not its to say, and puts in
// the key that it is known by.
func (in *Intake) own(node proto.NodeName, given *corev1.Node) {
	given.ObjectMeta = metav1.ObjectMeta{Name: given.Name, Labels: given.Labels, Annotations: given.Annotations}
	maps.DeleteFunc(given.Labels, func(label, _ string) bool { return strings.HasPrefix(label, restricted) })
	delete(given.Annotations, NodeKeyAnnotation)
	given.Spec = corev1.NodeSpec{Taints: given.Spec.Taints, ProviderID: given.Spec.ProviderID}
	if in.cfg.Identities == nil {
		return
	}
	if public := in.cfg.Identities.Public(RoleNode, string(node)); public != "" {
		given.Annotations = merged(map[string]string{NodeKeyAnnotation: public}, given.Annotations)
	}
}

// enroll tries again when somebody else changed the object meanwhile.
func (in *Intake) enroll(ctx context.Context, node proto.NodeName, given *corev1.Node) (*corev1.Node, error) {
	key := nodeResource.Key("", string(node))
	for attempt := 1; ; attempt++ {
		have, found, err := events.GetAs[*corev1.Node](in.cfg.Cluster.View(), key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
		var action events.Action = events.Create{Key: key, Object: given, UID: uuid.NewUUID()}
		if found {
			action = refreshed(key, have, given)
		}
		_, err = in.cfg.Cluster.Submit(ctx, events.Command{
			Actor: nodeActor(node), Via: "node agent", Manager: "segno-agent", Reason: "Registered", Action: action,
		})
		changed := apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err)
		if changed && attempt < 5 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("register node %s: %w", node, err)
		}
		have, found, err = events.GetAs[*corev1.Node](in.cfg.Cluster.View(), key)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", key, err)
		case !found:
			return nil, fmt.Errorf("register node %s: somebody deleted it at once", node)
		default:
			return have, nil
		}
	}
}

// refreshed brings a known Node up to date: labels and annotations of the node
// are laid over those that it has, the spec is left to people and reconcilers.
func refreshed(key proto.ObjectKey, have, given *corev1.Node) events.Action {
	spec := events.Copy(have)
	spec.Labels = merged(spec.Labels, given.Labels)
	spec.Annotations = merged(spec.Annotations, given.Annotations)
	status := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: have.Name, UID: have.UID}, Status: given.Status}
	return events.Batch{
		events.Update{Key: key, Object: spec},
		events.Update{Key: key, Subresource: events.SubStatus, Object: status},
	}
}

func merged(have, given map[string]string) map[string]string {
	if have == nil {
		return given
	}
	maps.Copy(have, given)
	return have
}

// beat renews the node's lease.
func (in *Intake) beat(ctx context.Context, node proto.NodeName) proto.Beat {
	now := metav1.NewMicroTime(time.Now())
	holder, seconds := string(node), int32(leaseSeconds)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: holder, Namespace: LeaseNamespace},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
	}
	_, err := in.cfg.Cluster.Submit(ctx, events.Command{
		Actor: nodeActor(node), Via: "node agent", Manager: "segno-agent",
		Action: events.Update{Key: leaseResource.Key(LeaseNamespace, holder), Object: lease, CreateUID: uuid.NewUUID()},
	})
	var out proto.Beat
	if err != nil {
		out.Error = err.Error()
	}
	if in.cfg.Relay != nil {
		out.Counter = in.cfg.Relay.Counter(node)
	}
	return out
}
