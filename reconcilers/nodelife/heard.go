package nodelife

import (
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/reconcilers"
)

// heard is when the node last said something: renewed its lease, or reported
// its status. Zero is never, as far as is known.
func (l *look) heard() (at time.Time, err error) {
	key := reconcilers.Leases.Key(reconcilers.NamespaceNodeLease, l.node.Name)
	lease, ok, err := events.GetAs[*coordinationv1.Lease](l.view, key)
	if err != nil {
		return at, fmt.Errorf("read %s: %w", key, err)
	}
	if ok && lease.Spec.RenewTime != nil {
		at = lease.Spec.RenewTime.Time
	}
	for i := range l.node.Status.Conditions {
		if beat := l.node.Status.Conditions[i].LastHeartbeatTime.Time; beat.After(at) {
			at = beat
		}
	}
	return at, nil
}

// ready is the node's Ready condition, or nil.
func ready(node *corev1.Node) *corev1.NodeCondition { return condition(node, corev1.NodeReady) }

func condition(node *corev1.Node, of corev1.NodeConditionType) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == of {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// listen compares what the node's conditions say with when it was heard.
func (l *look) listen() error {
	heard, err := l.heard()
	if err != nil {
		return err
	}
	trusted := heard // what is not known is not held against the node
	for _, t := range []time.Time{l.since, l.node.CreationTimestamp.Time} {
		if t.After(trusted) {
			trusted = t
		}
	}
	patience := trusted.Add(l.grace)
	is := ready(l.node)
	switch silent := is != nil && is.Status == corev1.ConditionUnknown; {
	case !silent && !l.at.Before(patience):
		l.fallSilent(trusted)
	case !silent:
		l.decision.Look(patience.Sub(l.at))
		l.settle()
	case l.at.Before(heard.Add(l.grace)) && heard.After(is.LastTransitionTime.Time):
		l.speakAgain(heard)
	default:
		l.decision.Look(listenAgain)
		l.settle()
	}
	return nil
}
