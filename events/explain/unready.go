package explain

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
)

func isUnready(pod *corev1.Pod) bool { return !podstate.Ready(pod) }

// notReady answers what keeps a pod, a node or the pods of an owner from serving.
func (q *query) notReady() error {
	obj, err := q.living("not ready", func(obj events.Object) bool {
		switch o := obj.(type) {
		case *corev1.Pod:
			return isUnready(o)
		case *corev1.Node:
			return nodeUnready(o)
		default:
			return lacking(obj)
		}
	})
	if err != nil || obj == nil {
		return err
	}
	switch o := obj.(type) {
	case *corev1.Pod:
		return q.podNotReady(o)
	case *corev1.Node:
		return q.nodeNotReady(o)
	default:
		return q.group(obj, verb{"is not ready", "are not ready"}, isUnready, func(pod *corev1.Pod) error {
			p := q.lookAt(pod)
			return p.tell(p.troubles())
		})
	}
}

func (q *query) podNotReady(pod *corev1.Pod) error {
	if podstate.Ready(pod) {
		return q.sayWell(pod.UID, "is ready", "It was not ready", as(isUnready))
	}
	q.answer.Applies = true
	r, err := q.since(q.Key, pod.UID, as(isUnready))
	if err != nil {
		return err
	}
	if r != nil {
		q.say("%s is not ready %s.", name(q.Key), r.sinceWhen())
	}
	p := q.lookAt(pod)
	if podstate.Finished(pod) {
		r, err := p.since(podstate.Finished)
		return p.tell([]trouble{{text: colon("it has come to its end", string(pod.Status.Phase), pod.Status.Reason, pod.Status.Message), since: r}}, err)
	}
	return p.tell(p.troubles())
}

func nodeUnready(node *corev1.Node) bool { return taint.Ready(node) != corev1.ConditionTrue }

func (q *query) nodeNotReady(node *corev1.Node) error {
	if !nodeUnready(node) {
		return q.sayWell(node.UID, "is ready", "It was not ready", as(nodeUnready))
	}
	q.answer.Applies = true
	status := taint.Ready(node)
	r, err := q.since(q.Key, node.UID, as(func(n *corev1.Node) bool { return taint.Ready(n) == status }))
	if err != nil || r == nil {
		return err
	}
	reason, message := "", "it has not said anything yet"
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			reason, message = c.Reason, c.Message
		}
	}
	word := "is not ready"
	if status == corev1.ConditionUnknown {
		word = "is silent"
	}
	q.say("%s %s %s: %s.", name(q.Key), word, r.sinceWhen(), cmp.Or(colon(reason, trimmed(message)), "no reason was given"))
	q.end(r.began.Envelope, colon(reason, message))
	return q.sayRoot(r.began.Envelope)
}
