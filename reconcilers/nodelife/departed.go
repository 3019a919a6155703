package nodelife

import (
	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/reconcilers"
)

const (
	nodeGone        = "DeletionByPodGC"
	nodeGoneMessage = "PodGC: node no longer exists"
)

// endDeparted ends the pods of a node that is not there any more, without asking
// them: nobody could answer. A node that comes back soon finds them as they
// were, so they are only marked at first.
func (l *look) endDeparted() {
	now := int64(0)
	var marks, ends []events.Action
	for _, pod := range l.pods {
		mark := podstate.Condition(pod, corev1.DisruptionTarget)
		if mark == nil || mark.Status != corev1.ConditionTrue || mark.Reason != nodeGone {
			marked := events.Copy(pod)
			at := reconcilers.Stamp(l.at)
			podstate.SetCondition(marked, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: nodeGone, Message: nodeGoneMessage,
			}, at)
			podstate.Condition(marked, corev1.DisruptionTarget).LastTransitionTime = at
			marks = append(marks, events.Update{Key: keyOf(pod), Subresource: events.SubStatus, Object: marked})
			l.decision.Look(l.grace)
			continue
		}
		if left := mark.LastTransitionTime.Add(l.grace).Sub(l.at); left > 0 {
			l.decision.Look(left)
			continue
		}
		ends = append(ends, l.end(pod, nodeGone, nodeGoneMessage, &now)...)
	}
	l.decision.Do("NodeGone", marks...)
	l.decision.Do("NodeGone", ends...)
}
