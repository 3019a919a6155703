package bus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/events"
	"segno/events/report"
	"segno/proto"
)

const (
	// NodeKeyAnnotation is where a Node object keeps the node's public nkey.
	NodeKeyAnnotation = "segno/nkey"
	// LeaseNamespace is where the nodes' heartbeats are.
	LeaseNamespace = corev1.NamespaceNodeLease
	// leaseSeconds is what a heartbeat is good for, as in Kubernetes.
	leaseSeconds = 40
)

var leaseResource = proto.Resource{Group: "coordination.k8s.io", Name: "leases"}

// register makes the Node object, or brings it up to date.
func (in *Intake) register(ctx context.Context, node proto.NodeName, data []byte) proto.Registered {
	began := time.Now()
	have, err := in.admit(ctx, node, data)
	if err == nil {
		data, err = have.Marshal()
	}
	if err != nil {
		if !passing(err) {
			in.cfg.Audit.refused(refusal{who: proto.NodeActor(node), verb: "register", subject: proto.NodeRegister(node), key: nodeResource.Key("", string(node)), err: err, began: began})
		}
		return proto.Registered{Error: brief(err)}
	}
	in.registered.Store(node, true)
	return proto.Registered{Node: data}
}

// admit makes of a node's description the Node object.
func (in *Intake) admit(ctx context.Context, node proto.NodeName, data []byte) (*corev1.Node, error) {
	var message proto.Register
	given := &corev1.Node{}
	err := proto.Unpack(data, &message)
	if err == nil {
		_, err = told(message.Node, given)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if given.Name != string(node) {
		return nil, report.NotIts(node, nodeResource.Key("", given.Name))
	}
	in.own(node, given)
	return in.enroll(ctx, node, given)
}

// Registered tells whether a node has registered since the intake began: what
// the log says of it is then its own word.
func (in *Intake) Registered(node proto.NodeName) bool {
	_, known := in.registered.Load(node)
	return known
}

// own takes out of a node's description what is not its to say, and puts in
// the key that it is known by.
func (in *Intake) own(node proto.NodeName, given *corev1.Node) {
	given.ObjectMeta = metav1.ObjectMeta{Name: given.Name, Labels: given.Labels, Annotations: given.Annotations}
	maps.DeleteFunc(given.Labels, func(label, _ string) bool { return events.RestrictedLabel(label) })
	delete(given.Annotations, NodeKeyAnnotation)
	given.Spec = corev1.NodeSpec{Taints: given.Spec.Taints, ProviderID: given.Spec.ProviderID}
	if in.cfg.Identities == nil {
		return
	}
	if public := in.cfg.Identities.Public(RoleNode, string(node)); public != "" {
		given.Annotations = merged(map[string]string{NodeKeyAnnotation: public}, given.Annotations)
	}
}

// enroll makes the Node object, or lays what the node says over the one that is
// there: its spec is left to people and reconcilers.
func (in *Intake) enroll(ctx context.Context, node proto.NodeName, given *corev1.Node) (*corev1.Node, error) {
	key := nodeResource.Key("", string(node))
	cmd := events.Command{Actor: proto.NodeActor(node), Via: "node agent", Manager: "segno-agent", Reason: "Registered"}
	err := in.speak(ctx, key, cmd, func(have *corev1.Node) (*corev1.Node, error) {
		if have == nil {
			return given, nil
		}
		is := events.Copy(have)
		is.Labels = merged(is.Labels, given.Labels)
		is.Annotations = merged(is.Annotations, given.Annotations)
		given.Status.DeepCopyInto(&is.Status)
		return is, nil
	})
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", node, err)
	}
	have, found, err := events.GetAs[*corev1.Node](in.cfg.Cluster.View(), key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", key, err)
	case !found:
		return nil, fmt.Errorf("register node %s: somebody deleted it at once", node)
	default:
		return have, nil
	}
}

// speakAttempts is how often a node's words are tried on a Node object that
// others change.
const speakAttempts = 5

// speak makes a Node what say makes of it (nil stands for none, and for nothing
// to be done), together with what follows from it, in one transaction. What does
// not fit follows in further ones.
func (in *Intake) speak(ctx context.Context, key proto.ObjectKey, cmd events.Command, say func(have *corev1.Node) (*corev1.Node, error)) error {
	for attempt := 1; ; attempt++ {
		view := in.cfg.Cluster.View()
		have, _, err := events.GetAs[*corev1.Node](view, key)
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		is, err := say(have)
		if err != nil || is == nil {
			return err
		}
		portions, err := in.becomes(view, key, have, is)
		if err != nil {
			return err
		}
		cmd.Action = portions[0]
		done, err := in.cfg.Cluster.Submit(ctx, cmd)
		switch changed := apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err); {
		case changed && attempt < speakAttempts:
		case changed:
			return fmt.Errorf("others change %s all the time: %s", key, err) //nolint:errorlint // it passes: no refusal
		case err != nil:
			return err
		default:
			return in.goOn(ctx, cmd, done.Seq, portions[1:])
		}
	}
}

// goOn submits what did not fit into a first transaction and follows from it. Of
// pods that somebody changed meanwhile, the reconciler of nodes finds what is left.
func (in *Intake) goOn(ctx context.Context, cmd events.Command, first proto.Seq, portions []events.Batch) error {
	if first != 0 {
		cmd.Cause = proto.Cause{Seq: first}
	}
	for _, part := range portions {
		cmd.Action = part
		if _, err := in.cfg.Cluster.Submit(ctx, cmd); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// becomes is what makes a Node, nil when there is none, what it is: the Node
// itself and as many of its pods as fit, then the others.
func (in *Intake) becomes(view events.View, key proto.ObjectKey, have, is *corev1.Node) ([]events.Batch, error) {
	if have != nil {
		steady(&have.Status, &is.Status)
	}
	var pods []events.Action
	if in.cfg.Settle != nil {
		is = events.Copy(is)
		var err error
		if pods, err = in.cfg.Settle(view, is, time.Now()); err != nil {
			return nil, err
		}
	}
	if have == nil {
		return events.Portions(events.Batch{events.Create{Key: key, Object: is, UID: uuid.NewUUID()}}, pods), nil
	}
	status := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: have.Name, UID: have.UID, ResourceVersion: have.ResourceVersion}, Status: is.Status,
	}
	spec := events.Copy(is)
	spec.ResourceVersion = "" // the status, in the same transaction, has checked it
	return events.Portions(events.Batch{
		events.Update{Key: key, Subresource: events.SubStatus, Object: status},
		events.Update{Key: key, Object: spec},
	}, pods), nil
}

// nodeStatus takes what a node reports of itself; what is about an earlier Node
// of the name is moot.
func (in *Intake) nodeStatus(ctx context.Context, item *proto.ReportItem, cmd events.Command) error {
	said, err := told(item.Status, &corev1.Node{})
	if err != nil {
		return malformed(item, err)
	}
	return in.speak(ctx, item.Key, cmd, func(have *corev1.Node) (*corev1.Node, error) {
		if have == nil || string(have.UID) != item.UID {
			return nil, nil
		}
		is := events.Copy(have)
		said.Status.DeepCopyInto(&is.Status)
		return is, nil
	})
}

// steady keeps of a status what says nothing new: since when a condition is as
// it was, and, where all else is the same, when that was said. That a node still
// says it is a heartbeat's to tell, and no event.
func steady(have, given *corev1.NodeStatus) {
	same := given.DeepCopy()
	for i := range given.Conditions {
		of := given.Conditions[i].Type
		at := slices.IndexFunc(have.Conditions, func(c corev1.NodeCondition) bool { return c.Type == of })
		if at < 0 || have.Conditions[at].Status != given.Conditions[i].Status {
			continue
		}
		since := have.Conditions[at].LastTransitionTime
		given.Conditions[i].LastTransitionTime, same.Conditions[i].LastTransitionTime = since, since
		same.Conditions[i].LastHeartbeatTime = have.Conditions[at].LastHeartbeatTime
	}
	if equality.Semantic.DeepEqual(have, same) {
		have.DeepCopyInto(given)
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
		Actor: proto.NodeActor(node), Via: "node agent", Manager: "segno-agent",
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
