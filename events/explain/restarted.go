package explain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"segno/events"
	"segno/proto"
)

// shownRestarts is how many restarts of each pod are explained, the newest; those
// before are counted.
const shownRestarts = 10

// restarted answers with each restart of a pod's containers and the death before
// it. It does so of a pod that is gone, too.
func (q *query) restarted() error {
	obj, err := q.decode(q.newest.Record)
	if err != nil {
		return err
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		if q.newest.Record.Deleted {
			q.say("%s is gone since %s; segno why %s deleted tells why.", name(q.Key), at(q.newest.Envelope), short(q.Key))
			return nil
		}
		return q.group(obj, verb{"has restarted containers", "have restarted containers"}, func(pod *corev1.Pod) bool { return restartsOf(pod) > 0 }, func(pod *corev1.Pod) error {
			return q.restartsOfPod(pod)
		})
	}
	if restartsOf(pod) == 0 {
		q.say("No container of %s was restarted since it was created at %s.", name(q.Key), q.born(q.newest.Record))
		return nil
	}
	q.answer.Applies = true
	return q.restartsOfPod(pod)
}

func restartsOf(pod *corev1.Pod) (n int32) {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			n += list[i].RestartCount
		}
	}
	return n
}

// restart is one restart of a container, and the death before it.
type restart struct {
	container string
	count     int32
	env       *proto.Envelope
	end       *corev1.ContainerStateTerminated // nil when that is not known
	death     *proto.Envelope
}

func (q *query) restartsOfPod(pod *corev1.Pod) error {
	p := q.lookAt(pod)
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			if list[i].RestartCount > 0 {
				q.say("Container %s of %s was restarted %s.", list[i].Name, name(p.key), times(list[i].RestartCount))
			}
		}
	}
	found, err := p.restarts(shownRestarts)
	if err != nil {
		return err
	}
	for i, r := range found {
		if err := p.tellRestart(r, i == len(found)-1); err != nil {
			return err
		}
	}
	if left := int(restartsOf(pod)) - len(found); left > 0 {
		q.say("%s before those below %s left out: segno history %s --full has all that was reported.", counted(left, "restart"), isAre(left), short(p.key))
	}
	return nil
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (p *podOf) tellRestart(r restart, newest bool) error {
	if r.end == nil {
		p.end(r.env, fmt.Sprintf("container %s of %s was restarted (%s); how it ended was not reported", r.container, p.pod.Name, nth(r.count)))
		return nil
	}
	how, err := p.death(r.container, r.end)
	if err != nil {
		return err
	}
	if newest {
		p.say("%s: container %s %s, as of %s.", name(p.key), r.container, how, at(r.death))
	}
	p.end(r.death, fmt.Sprintf("container %s of %s %s", r.container, p.pod.Name, how))
	p.end(r.env, fmt.Sprintf("container %s of %s was restarted (%s)", r.container, p.pod.Name, nth(r.count)))
	if err := p.query.link(r.env, r.death, "a container that ends is started again"); err != nil || !newest {
		return err
	}
	return p.sayRoot(r.env)
}

func nth(n int32) string { return fmt.Sprintf("restart %d", n) }

// restarts finds the newest restarts of the pod's containers, oldest first.
func (p *podOf) restarts(most int) ([]restart, error) {
	var found []restart
	var newer []corev1.ContainerStatus // statuses of the version looked at before: a later one
	var env *proto.Envelope            // of that version
	var oldest *events.Record          // the record of it
	open := map[string]int{}           // deaths that are still to be found, by container ID
	visit := func(is []corev1.ContainerStatus) {
		for i := range newer {
			now := &newer[i]
			was := statusIn(is, now.Name)
			if now.RestartCount <= was.RestartCount || len(found) >= most {
				continue
			}
			r := restart{container: now.Name, count: now.RestartCount, env: env, end: now.LastTerminationState.Terminated}
			if r.end != nil {
				open[r.end.ContainerID] = len(found)
				r.death = env
			}
			found = append(found, r)
		}
	}
	for v, err := range p.versions(p.key, p.View.Seq()) {
		if err != nil {
			return nil, err
		}
		if types.UID(v.Record.UID) != p.pod.UID || (len(found) >= most && len(open) == 0) {
			break
		}
		if v.Record.Deleted {
			continue
		}
		is, err := p.statuses(v.Record)
		if err != nil {
			return nil, err
		}
		visit(is)
		settle(found, open, is, v.Envelope)
		newer, env, oldest = is, v.Envelope, v.Record
		if v.Record.Created == v.Record.Seq {
			visit(nil)
			break
		}
	}
	is, there, err := p.began(oldest)
	if err != nil {
		return nil, err
	}
	if there {
		visit(is)
	}
	slices.Reverse(found)
	return found, nil
}

// began is how the log began with the pod; it is not there where a transaction of
// the log before the oldest version that was looked at tells of the pod.
func (p *podOf) began(oldest *events.Record) (is []corev1.ContainerStatus, there bool, err error) {
	if oldest == nil || oldest.Created == oldest.Seq {
		return nil, false, nil
	}
	before, err := p.Past.Versions(p.key, oldest.Seq-1, 1)
	if err != nil || len(before) > 0 {
		return nil, false, err
	}
	begin, err := p.Past.Beginning(p.key)
	if err != nil || begin == nil || begin.UID != oldest.UID {
		return nil, false, err
	}
	is, err = p.statuses(begin)
	return is, err == nil, err
}

// settle moves the deaths of restarts back to the earliest version that tells of
// them; open forgets those that a version no longer does.
func settle(found []restart, open map[string]int, is []corev1.ContainerStatus, env *proto.Envelope) {
	for id, i := range open {
		was := statusIn(is, found[i].container)
		switch {
		case was.RestartCount >= found[i].count:
		case endedAs(was.State, id) || endedAs(was.LastTerminationState, id):
			found[i].death = env
		default:
			delete(open, id)
		}
	}
}

func endedAs(s corev1.ContainerState, id string) bool {
	return s.Terminated != nil && s.Terminated.ContainerID == id
}

func statusIn(list []corev1.ContainerStatus, container string) corev1.ContainerStatus {
	for i := range list {
		if list[i].Name == container {
			return list[i]
		}
	}
	return corev1.ContainerStatus{}
}

func (p *podOf) statuses(r *events.Record) ([]corev1.ContainerStatus, error) {
	obj, err := p.decode(r)
	if err != nil {
		return nil, err
	}
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("%s is not a pod but %T", name(r.Key), obj)
	}
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), nil
}
