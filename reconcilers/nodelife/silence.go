package nodelife

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/proto"
	"segno/reconcilers"
)

const (
	// beforeSilence is the annotation that keeps what a node's conditions said
	// before it fell silent, as JSON.
	beforeSilence = "segno/conditions-before-silence"
	// nodeSilent is the reason of pods that are not ready because of their node.
	nodeSilent = "NodeSilent"
	// neverUpdated is the reason of conditions that a node has never reported.
	neverUpdated = "NodeStatusNeverUpdated"
)

// reported are the conditions that a node reports of itself.
var reported = []corev1.NodeConditionType{
	corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure,
}

// fallSilent marks a node that has not been heard since: all that it says of
// itself is Unknown from now on, and its pods are not ready. No event led to
// this: the chain of causes begins here.
func (l *look) fallSilent(since time.Time) {
	node := events.Copy(l.node)
	var said []corev1.NodeCondition
	for _, of := range reported {
		reason, message := neverUpdated, "Kubelet never posted node status."
		is := condition(l.node, of)
		if is != nil {
			reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
			said = append(said, corev1.NodeCondition{Type: of, Status: is.Status, Reason: is.Reason, Message: is.Message})
		}
		setCondition(node, of, corev1.ConditionUnknown, reason, message, l.at)
	}
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	node.Annotations[beforeSilence] = remembered(said)
	l.write(node, "NodeSilent")
	l.begin("silence", since)
	l.tell("NodeNotReady")
	l.decision.Look(listenAgain)
}

// speakAgain undoes that when the node is heard again. What it has to say by
// now, it reports itself.
func (l *look) speakAgain(heard time.Time) {
	node := events.Copy(l.node)
	var said []corev1.NodeCondition
	if json.Unmarshal([]byte(node.Annotations[beforeSilence]), &said) != nil {
		said = nil // a person wrote there: wait until the node speaks for itself
	}
	for _, was := range said {
		if is := condition(node, was.Type); is != nil && is.Status == corev1.ConditionUnknown {
			setCondition(node, was.Type, was.Status, was.Reason, was.Message, l.at)
		}
	}
	if is := ready(node); is == nil || is.Status == corev1.ConditionUnknown {
		l.decision.Look(listenAgain) // it never said that it is ready: wait until it does
		l.settle()
		return
	}
	node.Status.Conditions = slices.DeleteFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Status == corev1.ConditionUnknown && c.Reason == neverUpdated
	})
	delete(node.Annotations, beforeSilence)
	l.write(node, "NodeHeardAgain")
	l.begin("heartbeat", heard)
	if ready(node).Status == corev1.ConditionTrue {
		l.tell("NodeReady")
	}
	l.decision.Look(l.grace)
}

// remembered is what conditions said, without when.
func remembered(said []corev1.NodeCondition) string {
	type brief struct {
		Type    corev1.NodeConditionType `json:"type"`
		Status  corev1.ConditionStatus   `json:"status"`
		Reason  string                   `json:"reason,omitempty"`
		Message string                   `json:"message,omitempty"`
	}
	list := make([]brief, 0, len(said))
	for _, c := range said {
		list = append(list, brief{c.Type, c.Status, c.Reason, c.Message})
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("encode conditions: %v", err)) // strings only
	}
	return string(text)
}

// begin makes what was just written the beginning of a chain of causes: neither
// silence nor a heartbeat is an event of the log.
func (l *look) begin(what string, at time.Time) {
	for i := range l.decision.Commands {
		first := &l.decision.Commands[i]
		first.Cause = proto.Cause{Request: what + " of node " + l.node.Name}
		first.Correlation = fmt.Sprintf("%s/%s/%d", what, l.node.Name, at.Unix())
	}
}

// settle brings taints and pods in line with conditions that somebody else has
// written.
func (l *look) settle() {
	node := events.Copy(l.node)
	spoken(node)
	l.write(node, "ConditionChanged")
}

// spoken forgets what a node said before its silence, once it speaks for itself.
func spoken(node *corev1.Node) {
	if is := ready(node); is != nil && is.Status != corev1.ConditionUnknown {
		delete(node.Annotations, beforeSilence)
	}
}

// Settle brings a node's taints in line with its conditions, in place, and
// answers what becomes of the pods on it: whoever takes a node's word for its
// conditions can write all of it at once, and Reconcile then finds nothing to do.
func (r *Reconciler) Settle(view events.View, node *corev1.Node, at time.Time) ([]events.Action, error) {
	pods, err := podsOn(view, node.Name)
	if err != nil {
		return nil, err
	}
	spoken(node)
	settleTaints(node, at)
	l := &look{at: at, pods: pods}
	return l.readiness(node), nil
}

// write brings the taints in line with the conditions, and the pods with both,
// and writes what differs, as one transaction that is never parted. Pods that do
// not fit follow in further ones.
func (l *look) write(node *corev1.Node, reason string) {
	key := reconcilers.Nodes.Key("", node.Name)
	settleTaints(node, l.at)
	var actions []events.Action
	statusChanged := !slices.Equal(node.Status.Conditions, l.node.Status.Conditions)
	if statusChanged {
		l.told = true
		actions = append(actions, events.Update{Key: key, Subresource: events.SubStatus, Object: node})
	}
	if !sameWanted(node, l.node) {
		if statusChanged {
			node = events.Copy(node)
			node.ResourceVersion = "" // the first action, in the same transaction, has checked it
		}
		actions = append(actions, events.Update{Key: key, Object: node})
	}
	for i, part := range events.Portions(actions, l.readiness(node)) {
		if i == 0 && len(actions) > 0 {
			l.decision.DoWhole(reason, part...)
		} else {
			l.decision.Do(reason, part...)
		}
	}
	l.node = node
}

// readiness takes the readiness of pods away with their node's voice, and gives
// it back with it; a mark from when the node was not there goes.
func (l *look) readiness(node *corev1.Node) (actions []events.Action) {
	for i, pod := range l.pods {
		changed := events.Copy(pod)
		at := reconcilers.Stamp(l.at)
		different := false
		if now, ok := readinessOn(node, pod); ok {
			different = podstate.SetCondition(changed, now, at)
		}
		if mark := podstate.Condition(pod, corev1.DisruptionTarget); mark != nil && mark.Reason == nodeGone && mark.Status == corev1.ConditionTrue {
			different = podstate.SetCondition(changed, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionFalse, Reason: "NodeBack", Message: "The pod's node is there again.",
			}, at) || different
		}
		if different {
			actions = append(actions, events.Update{Key: keyOf(pod), Subresource: events.SubStatus, Object: changed})
			l.pods[i] = changed
		}
	}
	return actions
}

// readinessOn is the Ready condition of a pod as its node's voice calls for; ok
// is false when it can stay.
func readinessOn(node *corev1.Node, pod *corev1.Pod) (now corev1.PodCondition, ok bool) {
	is, was := ready(node), podstate.Condition(pod, corev1.PodReady)
	if is == nil || was == nil || podstate.Finished(pod) {
		return now, false
	}
	now = corev1.PodCondition{Type: corev1.PodReady}
	switch {
	case is.Status == corev1.ConditionUnknown && was.Status == corev1.ConditionTrue:
		now.Status, now.Reason, now.Message = corev1.ConditionFalse, nodeSilent, "The pod's node is not heard."
	case is.Status == corev1.ConditionTrue && was.Status == corev1.ConditionFalse && was.Reason == nodeSilent:
		now.Status = corev1.ConditionTrue
	default:
		return now, false
	}
	return now, true
}

func keyOf(pod *corev1.Pod) proto.ObjectKey { return reconcilers.Pods.Key(pod.Namespace, pod.Name) }

// setCondition writes a condition of a node; when it was last heard stays.
func setCondition(node *corev1.Node, of corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string, at time.Time) {
	is := condition(node, of)
	if is == nil {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: of})
		is = condition(node, of)
	}
	if is.Status != status {
		is.LastTransitionTime = reconcilers.Stamp(at)
	}
	is.Status, is.Reason, is.Message = status, reason, message
}

func (l *look) tell(status string) {
	l.decision.Notes = append(l.decision.Notes, reconcilers.Note{
		About: reconcilers.About(reconcilers.NodeKind, l.node), Reason: status, From: component,
		Message: fmt.Sprintf("Node %s status is now: %s", l.node.Name, status),
	})
}
