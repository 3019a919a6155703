package pod

import (
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/proto"
)

// Notes are what people read below `describe pod`: the reasons and messages
// are Kubernetes', so that what they have learned, and their tools, go on
// working. They follow from the same values as the steps do.

// outcome is what came of an action.
type outcome struct {
	missing bool // GetImage: the engine does not have it
	err     error
	took    time.Duration
}

// writer collects notes about one pod.
type writer struct {
	pod   *corev1.Pod
	now   time.Time
	notes []proto.NodeNote
}

func (w *writer) normal(container, reason, format string, args ...any) {
	w.add(container, false, reason, fmt.Sprintf(format, args...))
}

func (w *writer) warning(container, reason, format string, args ...any) {
	w.add(container, true, reason, fmt.Sprintf(format, args...))
}

func (w *writer) add(container string, warning bool, reason, message string) {
	w.notes = append(w.notes, proto.NodeNote{
		Key: podResource.Key(w.pod.Namespace, w.pod.Name), UID: string(w.pod.UID), Container: container,
		Warning: warning, Reason: reason, Message: message, Count: 1, First: w.now.UnixNano(), Last: w.now.UnixNano(),
	})
}

// notesBefore tells what is seen and what is about to be done. It is pure.
func notesBefore(want Want, have State, next Action, now time.Time) []proto.NodeNote {
	if want.Gone || want.Pod == nil {
		return nil
	}
	w := &writer{pod: want.Pod, now: now}
	w.start(have)
	for _, b := range backOffs(want, have, now) {
		if !have.Memory.Noted[b.name] {
			b.write(w)
		}
	}
	switch next.Verb {
	case PullImage:
		w.normal(next.Ref.Container, "Pulling", "Pulling image %q", imageOf(want.Pod, next.Ref.Container))
	case StopContainer, KillContainer:
		w.killing(want, have, next)
	case RemoveSandbox:
		if !want.ending() && !finished(want, have, now) {
			w.normal("", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
		}
	case Nothing, Wait, CreateSandbox, AttachNetwork, Release, GetImage, CreateContainer, StartContainer, RemoveContainer, End:
	}
	return w.notes
}

// start tells how the start of a container went: the engine's success says
// only that it tried.
func (w *writer) start(have State) {
	ref := have.Memory.Starting
	if ref == (runtime.Ref{}) {
		return
	}
	c, there := have.Runtime.Attempt(ref.Container, ref.Attempt)
	switch {
	case !there || c.State == runtime.Created:
	case c.State == runtime.Exited && c.Message != "":
		w.warning(ref.Container, "Failed", "Error: failed to start container %q: %s", ref.Container, c.Message)
	default:
		w.normal(ref.Container, "Started", "Started container %s", ref.Container)
	}
}

// killing says once for each container why it is stopped.
func (w *writer) killing(want Want, have State, next Action) {
	if _, again := have.Memory.Stops[next.Ref]; again {
		return
	}
	name := next.Ref.Container
	c, _ := have.Runtime.Attempt(name, next.Ref.Attempt)
	failed := have.Memory.Health[c.ID].Failed
	switch {
	case want.ending() || finished(want, have, w.now) || (failed == "" && c.Image == imageOf(want.Pod, name)):
		w.normal(name, "Killing", "Stopping container %s", name)
	case strings.HasPrefix(failed, startupProbe):
		w.normal(name, "Killing", "Container %s failed startup probe, will be restarted", name)
	case failed != "":
		w.normal(name, "Killing", "Container %s failed liveness probe, will be restarted", name)
	default:
		w.normal(name, "Killing", "Container %s definition changed, will be restarted", name)
	}
}

// notesAfter tells what came of an action. It is pure.
func notesAfter(want Want, action Action, out outcome, now time.Time) []proto.NodeNote {
	if want.Gone || want.Pod == nil || errors.Is(out.err, runtime.ErrDown) {
		return nil // without an engine nothing is known about the pod
	}
	w := &writer{pod: want.Pod, now: now}
	name := action.Ref.Container
	switch action.Verb {
	case CreateSandbox, AttachNetwork:
		if out.err != nil {
			w.warning("", "FailedCreatePodSandBox", "Failed to create pod sandbox: %v", out.err)
		}
	case GetImage, PullImage:
		w.image(name, imageOf(want.Pod, name), action, out)
	case CreateContainer:
		switch {
		case out.err == nil:
			w.normal(name, "Created", "Created container: %s", name)
		case !errors.Is(out.err, runtime.ErrNoImage): // it is got once more
			w.warning(name, "Failed", "Error: %v", out.err)
		}
	case StartContainer:
		if out.err != nil {
			w.warning(name, "Failed", "Error: failed to start container %q: %v", name, out.err)
		}
	case Nothing, Wait, RemoveSandbox, Release, StopContainer, KillContainer, RemoveContainer, End:
	}
	return w.notes
}

func imageOf(pod *corev1.Pod, name string) string {
	if c := containerNamed(pod, name); c != nil {
		return c.Image
	}
	return ""
}

func (w *writer) image(name, image string, action Action, out outcome) {
	var r *reasoned
	switch {
	case out.err == nil && action.Verb == PullImage:
		w.normal(name, "Pulled", "Successfully pulled image %q in %s", image, out.took.Round(time.Millisecond))
	case out.err == nil && !out.missing:
		w.normal(name, "Pulled", "Container image %q already present on machine", image)
	case out.err == nil:
	case !errors.As(out.err, &r):
		w.warning(name, "Failed", "Error: %v", out.err)
	default:
		switch r.reason {
		case errImagePull:
			w.warning(name, "Failed", "Failed to pull image %q: %v", image, r)
		case invalidImageName:
			w.warning(name, "InspectFailed", "Failed to apply default image tag %q: %v", image, r)
		default:
			w.warning(name, r.reason, "%v", r)
		}
		w.warning(name, "Failed", "Error: %s", r.reason)
	}
}

// backOff is a wait before a container is tried again; its name is its own,
// so that it is told once.
type backOff struct {
	name  string
	write func(*writer)
}

// backOffs are those that the pod's containers are in.
func backOffs(want Want, have State, now time.Time) []backOff {
	if want.ending() || finished(want, have, now) {
		return nil
	}
	var out []backOff
	for _, list := range [][]corev1.Container{want.Pod.Spec.InitContainers, want.Pod.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if t, troubled := have.Memory.Trouble[c.Name]; troubled {
				if t.Reason == errImagePull && !now.Before(t.At.Add(shown)) {
					out = append(out, pullBackOff(c, t.Failures))
				}
				continue
			}
			if latest, there := have.Runtime.Latest(c.Name); there && crashed(want, c, latest) && now.Before(latest.FinishedAt.Add(restartDelay(latest))) {
				out = append(out, crashBackOff(want.Pod, latest.Ref))
			}
		}
	}
	return out
}

func crashed(want Want, c *corev1.Container, latest runtime.Container) bool {
	policy := want.Pod.Spec.RestartPolicy
	if isInitContainer(want.Pod, c.Name) {
		policy = initPolicy(want.Pod, c)
	}
	return latest.State == runtime.Exited && latest.Image == c.Image && restarts(policy, latest)
}

func crashBackOff(pod *corev1.Pod, ref runtime.Ref) backOff {
	return backOff{name: fmt.Sprintf("crash %s/%d", ref.Container, ref.Attempt), write: func(w *writer) {
		w.warning(ref.Container, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)", ref.Container, pod.Name, pod.Namespace, pod.UID)
	}}
}

func pullBackOff(c *corev1.Container, failures int) backOff {
	return backOff{name: fmt.Sprintf("pull %s/%d", c.Name, failures), write: func(w *writer) {
		w.normal(c.Name, "BackOff", "Back-off pulling image %q", c.Image)
		w.warning(c.Name, "Failed", "Error: ImagePullBackOff")
	}}
}

// noted is the memory once notesBefore has told what there was to tell.
func (m Memory) noted(want Want, have State, now time.Time) Memory {
	m.Starting, m.Noted = runtime.Ref{}, nil
	if want.Gone || want.Pod == nil {
		return m
	}
	for _, b := range backOffs(want, have, now) {
		if m.Noted == nil {
			m.Noted = map[string]bool{}
		}
		m.Noted[b.name] = true
	}
	return m
}

// unhealthy is the note about a probe that failed.
func unhealthy(pod *corev1.Pod, container, probe string, err error, now time.Time) proto.NodeNote {
	w := &writer{pod: pod, now: now}
	w.warning(container, "Unhealthy", "%s probe failed: %v", probe, err)
	return w.notes[0]
}
