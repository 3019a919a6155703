package agents

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/ingress"
	"segno/proto"
)

// noteNode tells people when the node starts, when it becomes ready or not, and
// how it serves Services and Ingresses; and that it does not hold pods to
// NetworkPolicies.
func (a *Agent) noteNode(uid string, status corev1.NodeStatus) {
	ready := readiness(status)
	a.mu.Lock()
	before := a.noted
	a.noted = ready
	served, told := a.health.services, a.served
	a.served = served
	reached, known := a.health.entry, a.reached
	a.reached = reached
	lax, why := a.health.lax()
	laxBefore := a.lax
	a.lax = lax
	a.mu.Unlock()
	if before == "" {
		a.noteOfNode(uid, false, "Starting", "Starting kubelet.")
	}
	switch {
	case ready == before:
	case ready == corev1.ConditionTrue:
		a.noteOfNode(uid, false, "NodeReady", "Node "+string(a.cfg.Node)+" status is now: NodeReady")
	case before != "":
		a.noteOfNode(uid, false, "NodeNotReady", "Node "+string(a.cfg.Node)+" status is now: NodeNotReady")
	}
	if served != told && served.Reason != "" {
		a.noteOfNode(uid, served.Troubled(), served.Reason, served.Message)
	}
	if reached != known && reached.Reason != "" && reached != ingress.Idle() {
		a.noteOfNode(uid, !reached.Reached, "Ingress"+reached.Reason, reached.Message)
	}
	if lax != "" && lax != laxBefore {
		a.noteOfNode(uid, true, lax, why)
	}
}

func (a *Agent) noteOfNode(uid string, warning bool, reason, message string) {
	at := time.Now().UnixNano()
	a.outbox.Note(proto.NodeNote{
		Key: nodes.Key("", string(a.cfg.Node)), UID: uid, Warning: warning, Reason: reason, Message: message, Count: 1, First: at, Last: at,
	})
}

func readiness(status corev1.NodeStatus) corev1.ConditionStatus {
	for i := range status.Conditions {
		if status.Conditions[i].Type == corev1.NodeReady {
			return status.Conditions[i].Status
		}
	}
	return corev1.ConditionUnknown
}
