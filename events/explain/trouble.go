package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/events"
	"segno/events/podstate"
	"segno/events/taint"
	"segno/proto"
)

// trouble is one thing that keeps a pod from running or serving, since a
// transaction.
type trouble struct {
	text  string
	since *run
	// cause is what led to it, where that may not be recorded.
	cause *proto.Envelope
	link  string
	// also says what makes it so beside its cause; nil when nothing does.
	also func() error
}

// podOf is a pod under look.
type podOf struct {
	*query
	pod    *corev1.Pod
	key    proto.ObjectKey
	noted  []*corev1.Event
	looked bool
}

func (q *query) lookAt(pod *corev1.Pod) *podOf {
	return &podOf{query: q, pod: pod, key: pods.Key(pod.Namespace, pod.Name)}
}

// since is the run of something that is so of the pod now.
func (p *podOf) since(holds func(*corev1.Pod) bool) (*run, error) {
	return p.query.since(p.key, p.pod.UID, as(holds))
}

// tell adds troubles to the answer.
func (p *podOf) tell(all []trouble, err error) error {
	if err != nil {
		return err
	}
	for _, t := range all {
		text := t.text
		if t.since != nil && !strings.HasSuffix(text, t.since.sinceWhen()) {
			text += ", " + t.since.sinceWhen()
		}
		p.say("%s: %s.", name(p.key), strings.TrimSuffix(text, "."))
		if t.also != nil {
			if err := t.also(); err != nil {
				return err
			}
		}
		if t.since == nil {
			continue
		}
		env := t.since.began.Envelope
		if t.cause != nil {
			if err := p.query.link(env, t.cause, t.link); err != nil {
				return err
			}
		}
		p.end(env, colon(p.pod.Name, t.text))
		if err := p.sayRoot(env); err != nil {
			return err
		}
	}
	return nil
}

// troubles lists what keeps the pod.
func (p *podOf) troubles() ([]trouble, error) {
	if p.pod.Spec.NodeName == "" {
		return p.unplaced()
	}
	out, err := p.ofNode()
	if err != nil || len(out) > 0 {
		return out, err
	}
	inits := false
	for i := range p.pod.Status.InitContainerStatuses {
		t, err := p.ofContainer(&p.pod.Status.InitContainerStatuses[i], true)
		if err != nil {
			return nil, err
		}
		inits = inits || t != nil
		out = append(out, t...)
	}
	for i := range p.pod.Status.ContainerStatuses {
		status := &p.pod.Status.ContainerStatuses[i]
		if inits && status.State.Waiting != nil {
			continue // it waits for the init containers
		}
		t, err := p.ofContainer(status, false)
		if err != nil {
			return nil, err
		}
		out = append(out, t...)
	}
	if len(out) == 0 {
		return p.ofCondition()
	}
	return out, nil
}

// unplaced is a pod without a node, in the scheduler's own words.
func (p *podOf) unplaced() ([]trouble, error) {
	c := podstate.Condition(p.pod, corev1.PodScheduled)
	if c == nil || c.Status == corev1.ConditionTrue {
		r, err := p.since(func(pod *corev1.Pod) bool { return pod.Spec.NodeName == "" })
		return []trouble{{text: "no node yet, and no word of the scheduler", since: r}}, err
	}
	r, err := p.since(func(pod *corev1.Pod) bool {
		c := podstate.Condition(pod, corev1.PodScheduled)
		return c != nil && c.Status == corev1.ConditionFalse
	})
	if err != nil {
		return nil, err
	}
	text := "the scheduler finds no node: " + colon(c.Reason, strings.TrimSuffix(c.Message, "."))
	note, err := p.note("", func(n *corev1.Event) bool { return n.Reason == "FailedScheduling" && n.Message != c.Message })
	if note != nil {
		text += "; noted before: " + strings.TrimSuffix(note.Message, ".")
	}
	if err != nil {
		return nil, err
	}
	return []trouble{{text: text, since: r, also: p.refusals}}, nil
}

// ofNode is a pod whose node is silent, or gone.
func (p *podOf) ofNode() ([]trouble, error) {
	key := nodes.Key("", p.pod.Spec.NodeName)
	found, err := p.Past.Versions(key, p.View.Seq(), 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	t := trouble{cause: found[0].Envelope}
	if !found[0].Record.Deleted {
		obj, err := p.decode(found[0].Record)
		if err != nil {
			return nil, err
		}
		if taint.Ready(obj.(*corev1.Node)) != corev1.ConditionUnknown {
			return nil, nil
		}
		r, err := p.query.since(key, obj.GetUID(), as(silent))
		if err != nil || r == nil {
			return nil, err
		}
		t.cause = r.began.Envelope
	}
	t.text = fmt.Sprintf("its node %s is silent since %s", key.Name, at(t.cause))
	t.link = "its node is silent"
	if found[0].Record.Deleted {
		t.text, t.link = fmt.Sprintf("its node %s is gone since %s", key.Name, at(t.cause)), "its node is gone"
	}
	t.since, err = p.since(func(pod *corev1.Pod) bool { return !podstate.Ready(pod) && pod.Spec.NodeName != "" })
	return []trouble{t}, err
}

func silent(node *corev1.Node) bool { return taint.Ready(node) == corev1.ConditionUnknown }

// ofCondition is what the Ready condition says, where no container does.
func (p *podOf) ofCondition() ([]trouble, error) {
	c := podstate.Condition(p.pod, corev1.PodReady)
	if c == nil || c.Status == corev1.ConditionTrue {
		r, err := p.since(func(pod *corev1.Pod) bool { return pod.Spec.NodeName != "" })
		return []trouble{{text: fmt.Sprintf("node %s has not reported it yet", p.pod.Spec.NodeName), since: r}}, err
	}
	r, err := p.since(func(pod *corev1.Pod) bool {
		is := podstate.Condition(pod, corev1.PodReady)
		return is != nil && is.Status != corev1.ConditionTrue && is.Reason == c.Reason
	})
	return []trouble{{text: cmp.Or(colon(c.Reason, c.Message), "it is not ready"), since: r}}, err
}

// note finds what was noted about a container ("" is the pod), the newest first.
func (p *podOf) note(container string, wanted func(*corev1.Event) bool) (*corev1.Event, error) {
	if !p.looked {
		noted, err := p.Past.Notes(p.pod.Namespace, p.pod.UID)
		if err != nil {
			return nil, err
		}
		p.noted, p.looked = slices.Clone(noted), true
		slices.SortStableFunc(p.noted, func(a, b *corev1.Event) int { return b.LastTimestamp.Compare(a.LastTimestamp.Time) })
	}
	for _, n := range p.noted {
		if (container == "" || strings.Contains(n.InvolvedObject.FieldPath, "{"+container+"}")) && wanted(n) {
			return n, nil
		}
	}
	return nil, nil
}

// statusOf is the status of a container.
func statusOf(pod *corev1.Pod, container string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

// absent finds what the pod needs and is not there, and who deleted that.
func (p *podOf) absent() (text string, cause *proto.Envelope, err error) {
	for _, need := range events.Needs(&p.pod.Spec) {
		key := need.Resource.Key(p.pod.Namespace, need.Name)
		is, err := p.View.Get(key)
		if err != nil {
			return "", nil, err
		}
		if is != nil || need.Optional {
			continue
		}
		end, err := p.deletionOf(key, p.View.Seq())
		switch {
		case err != nil:
			return "", nil, err
		case end == nil || end.gone == nil:
			text = fmt.Sprintf("it needs %s, which the log has never had", name(key))
		default:
			by, err := p.blame(end)
			return fmt.Sprintf("it needs %s, which was deleted at %s: %s", name(key), at(end.gone), by), end.gone, err
		}
	}
	return text, nil, nil
}
