package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"segno/proto"
)

const (
	crashLoop   = "CrashLoopBackOff"
	configError = "CreateContainerConfigError"
	// unsupported is what a node says of a kind of reference that it cannot follow.
	unsupported = "is not supported by this version of segno"
)

// ordinary are what every container waits for on its way.
var ordinary = []string{"", "ContainerCreating", "PodInitializing"}

// imageTroubles are reasons that take turns: the first of them began it.
var imageTroubles = []string{"ErrImagePull", "ImagePullBackOff"}

// sameWait tells whether a container waits for the same as before.
func sameWait(was, is string) bool {
	return was == is || (slices.Contains(imageTroubles, was) && slices.Contains(imageTroubles, is))
}

// ofContainer is what keeps one container, if anything does.
func (p *podOf) ofContainer(c *corev1.ContainerStatus, init bool) ([]trouble, error) {
	switch {
	case c.State.Waiting != nil:
		return p.waits(c, init)
	case c.State.Terminated != nil:
		return p.ended(c, init)
	case c.State.Running == nil || (c.Ready && !init):
		return nil, nil
	case init && c.Ready:
		return nil, nil // a sidecar that serves
	}
	return p.unready(c, init)
}

func (p *podOf) waits(c *corev1.ContainerStatus, init bool) ([]trouble, error) {
	wait := c.State.Waiting
	if slices.Contains(ordinary, wait.Reason) {
		return p.starts(c, init)
	}
	r, err := p.since(func(pod *corev1.Pod) bool {
		is := statusOf(pod, c.Name)
		return is != nil && is.State.Waiting != nil && sameWait(is.State.Waiting.Reason, wait.Reason)
	})
	if err != nil {
		return nil, err
	}
	t := trouble{since: r, text: kindOf(init) + c.Name + " waits: " + colon(wait.Reason, wait.Message)}
	switch wait.Reason {
	case crashLoop:
		t.text = fmt.Sprintf("%s%s is in a crash loop (%s): it was restarted %s", kindOf(init), c.Name, wait.Reason, times(c.RestartCount))
		if end := c.LastTerminationState.Terminated; end != nil {
			how, err := p.death(c.Name, end)
			if err != nil {
				return nil, err
			}
			t.text += ", and last " + how
		}
	case configError:
		missing, cause, err := p.absent()
		if err != nil {
			return nil, err
		}
		if strings.Contains(wait.Message, unsupported) {
			t.also = func() error { p.beside(missing, cause); return nil }
			break // that it is missing led to nothing
		}
		t.cause, t.link = cause, "the pod needs what was deleted"
		if missing != "" {
			t.text = strings.TrimSuffix(t.text, ".") + "; " + missing
		}
	}
	return []trouble{t}, nil
}

// beside tells of what is missing, where something else keeps the container.
func (p *podOf) beside(missing string, cause *proto.Envelope) {
	if missing != "" {
		p.sayOnce("Besides, %s.", missing)
	}
	if cause != nil {
		p.end(cause, "besides, "+missing)
	}
}

// starts is a container that is on its way: what it waits for is noted about the
// pod, if anything is wrong.
func (p *podOf) starts(c *corev1.ContainerStatus, init bool) ([]trouble, error) {
	r, err := p.since(func(pod *corev1.Pod) bool {
		is := statusOf(pod, c.Name)
		return is == nil || (is.State.Waiting != nil && slices.Contains(ordinary, is.State.Waiting.Reason))
	})
	if err != nil {
		return nil, err
	}
	text := c.State.Waiting.Message
	if text == "" {
		note, err := p.note("", func(n *corev1.Event) bool {
			return n.Type == corev1.EventTypeWarning && (n.InvolvedObject.FieldPath == "" || strings.Contains(n.InvolvedObject.FieldPath, "{"+c.Name+"}")) &&
				n.Reason != "FailedScheduling"
		})
		if err != nil {
			return nil, err
		}
		if note != nil {
			text = colon(note.Reason, note.Message)
		}
	}
	what := " is being made"
	if c.State.Waiting.Reason == "PodInitializing" {
		what = " waits for the init containers"
	}
	return []trouble{{text: colon(kindOf(init)+c.Name+what, text), since: r}}, nil
}

func (p *podOf) ended(c *corev1.ContainerStatus, init bool) ([]trouble, error) {
	end := c.State.Terminated
	if init && end.ExitCode == 0 {
		return nil, nil
	}
	how, err := p.death(c.Name, end)
	if err != nil {
		return nil, err
	}
	r, err := p.since(func(pod *corev1.Pod) bool {
		is := statusOf(pod, c.Name)
		return is != nil && is.State.Terminated != nil && is.State.Terminated.ContainerID == end.ContainerID
	})
	return []trouble{{text: kindOf(init) + c.Name + " " + how, since: r}}, err
}

// unready is a container that runs and does not serve.
func (p *podOf) unready(c *corev1.ContainerStatus, init bool) ([]trouble, error) {
	r, err := p.since(func(pod *corev1.Pod) bool {
		is := statusOf(pod, c.Name)
		return is != nil && is.State.Running != nil && !is.Ready && is.RestartCount == c.RestartCount
	})
	if err != nil {
		return nil, err
	}
	if init {
		return []trouble{{text: "init container " + c.Name + " is still running", since: r}}, nil
	}
	probe := "readiness"
	if c.Started != nil && !*c.Started {
		probe = "startup"
	}
	text := fmt.Sprintf("container %s runs, and its %s probe has not succeeded", c.Name, probe)
	note, err := p.note(c.Name, func(n *corev1.Event) bool {
		return n.Reason == "Unhealthy" && strings.HasPrefix(strings.ToLower(n.Message), probe)
	})
	if err != nil {
		return nil, err
	}
	if note != nil {
		text = fmt.Sprintf("container %s runs, and its %s (noted %s)", c.Name, lowered(note.Message), times(note.Count))
	}
	return []trouble{{text: text, since: r}}, nil
}

// death says how a container ended.
func (p *podOf) death(container string, end *corev1.ContainerStateTerminated) (string, error) {
	how := fmt.Sprintf("exited with code %d (%s)", end.ExitCode, cmp.Or(end.Reason, "Error"))
	switch end.Reason {
	case "OOMKilled":
		how = fmt.Sprintf("was killed for want of memory (OOMKilled, exit code %d)", end.ExitCode)
	case "ContainerCannotRun":
		how = "could not run"
	case "ContainerStatusUnknown":
		how = "vanished"
	}
	if !end.StartedAt.IsZero() && !end.FinishedAt.IsZero() {
		how += " after " + lasting(end.FinishedAt.Sub(end.StartedAt.Time))
	}
	killed, err := p.killed(container, end)
	if err != nil {
		return "", err
	}
	return colon(how, strings.TrimSpace(end.Message)) + killed, nil
}

// killed tells whether the node ended a container for a probe, by what it noted
// then.
func (p *podOf) killed(container string, end *corev1.ContainerStateTerminated) (string, error) {
	for _, probe := range []string{"liveness", "startup"} {
		note, err := p.note(container, func(n *corev1.Event) bool {
			return n.Reason == "Killing" && strings.Contains(n.Message, probe+" probe") && p.during(n, end)
		})
		if err != nil {
			return "", err
		}
		if note == nil {
			continue
		}
		why, err := p.note(container, func(n *corev1.Event) bool {
			return n.Reason == "Unhealthy" && strings.HasPrefix(strings.ToLower(n.Message), probe)
		})
		if err != nil {
			return "", err
		}
		if why == nil {
			return ", killed because its " + probe + " probe failed", nil
		}
		return ", killed because its " + lowered(why.Message), nil
	}
	return "", nil
}

// during tells whether a container was stopped within the time of a note: it may
// take as long as the grace period of the pod to end.
func (p *podOf) during(n *corev1.Event, end *corev1.ContainerStateTerminated) bool {
	if n.FirstTimestamp.IsZero() || end.FinishedAt.IsZero() {
		return false
	}
	after := end.FinishedAt.Sub(n.FirstTimestamp.Time)
	grace := int64(30)
	if p.pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = *p.pod.Spec.TerminationGracePeriodSeconds
	}
	late := end.FinishedAt.Sub(n.LastTimestamp.Time)
	return after.Seconds() > -1.5 && late.Seconds() < float64(grace)+5
}

func kindOf(init bool) string {
	if init {
		return "init container "
	}
	return "container "
}

func times(n int32) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	default:
		return fmt.Sprintf("%d times", n)
	}
}

// lowered is a message in the middle of a sentence.
func lowered(text string) string {
	text = strings.TrimSuffix(text, ".")
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}
