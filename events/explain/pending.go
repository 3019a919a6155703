package explain

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/events/podstate"
)

// isPending tells whether a pod is not scheduled, or not started.
func isPending(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodPending || pod.Status.Phase == ""
}

// pending answers what a pod waits for before it runs.
func (q *query) pending() error {
	obj, err := q.living("pending", as(isPending))
	if err != nil || obj == nil {
		return err
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return q.group(obj, verb{"is pending", "are pending"}, isPending, func(pod *corev1.Pod) error {
			p := q.lookAt(pod)
			return p.tell(p.troubles())
		})
	}
	if !isPending(pod) {
		if err := q.sayWell(pod.UID, "is not pending but "+string(pod.Status.Phase), "It was pending", as(isPending)); err != nil {
			return err
		}
		if podstate.Active(pod) {
			q.otherwise([]*corev1.Pod{pod})
		}
		return nil
	}
	q.answer.Applies = true
	p := q.lookAt(pod)
	return p.tell(p.troubles())
}

// living is the object as of the moment. Where it is gone, that is said, and
// when it last was what is asked about.
func (q *query) living(word string, so func(events.Object) bool) (events.Object, error) {
	obj, err := q.decode(q.newest.Record)
	if err != nil {
		return nil, err
	}
	if !q.newest.Record.Deleted {
		return obj, nil
	}
	q.say("%s is gone since %s; segno why %s deleted tells why.", name(q.Key), at(q.newest.Envelope), short(q.Key))
	return nil, q.lastTime(q.Key, types.UID(q.newest.Record.UID), "It was "+word, so)
}
