package pod

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/proto"
)

// lines writes notes as a person reads them.
func lines(notes []proto.NodeNote) string {
	var out []string
	for _, n := range notes {
		kind := "Normal"
		if n.Warning {
			kind = "Warning"
		}
		out = append(out, fmt.Sprintf("%s %s {%s} %s", kind, n.Reason, n.Container, n.Message))
	}
	return strings.Join(out, "; ")
}

func TestP11NotesBeforeAStep(t *testing.T) {
	running := container("c", 0, runtime.Running)
	starting := func(s *State) { s.Memory.Starting = runtime.Ref{UID: "u", Container: "c"} }
	unstartable := exited("c", 0, 127, 0)
	unstartable.Message = "no such file"
	for _, c := range []struct {
		name string
		want Want
		have State
		told string
	}{
		{"nothing happens", Want{Pod: podOf("c")}, have(running), ""},
		{"adopted, not started", Want{Pod: podOf("c")}, have(running), ""},
		{"started", Want{Pod: podOf("c")}, with(have(running), starting), "Normal Started {c} Started container c"},
		{"started, and crashed before anybody looked", Want{Pod: podOf("c")}, with(have(exited("c", 0, 1, 0)), starting), "Normal Started {c} Started container c"},
		{"not startable", Want{Pod: podOf("c")}, with(have(unstartable), starting), `Warning Failed {c} Error: failed to start container "c": no such file`},
		{"an image to find", Want{Pod: podOf("c")}, have(), ""},
		{"an image to pull", Want{Pod: podOf("c")}, with(have(), func(s *State) { s.Memory.Missing["c"] = true }), `Normal Pulling {c} Pulling image "app:1"`},
		{"an image to pull always", Want{Pod: pulled(podOf("c"), corev1.PullAlways)}, have(), `Normal Pulling {c} Pulling image "app:1"`},
		{"a first crash", Want{Pod: podOf("c")}, have(exited("c", 0, 1, 0)), ""},
		{"a second one", Want{Pod: podOf("c")}, have(exited("c", 1, 1, 0)), "Warning BackOff {c} Back-off restarting failed container c in pod p_d(u)"},
		{"its wait is over", Want{Pod: podOf("c")}, have(exited("c", 1, 1, 11*time.Second)), ""},
		{"it was told", Want{Pod: podOf("c")}, with(have(exited("c", 1, 1, 0)), func(s *State) { s.Memory.Noted = map[string]bool{"crash c/1": true} }), ""},
		{"the one before was told", Want{Pod: podOf("c")}, with(have(exited("c", 2, 1, 0)), func(s *State) { s.Memory.Noted = map[string]bool{"crash c/1": true} }), "Warning BackOff {c} Back-off restarting failed container c in pod p_d(u)"},
		{"an image error is fresh", Want{Pod: podOf("c")}, with(have(), noImage(time.Second)), ""},
		{"an image error backs off", Want{Pod: podOf("c")}, with(have(), noImage(shown)), `Normal BackOff {c} Back-off pulling image "app:1"; Warning Failed {c} Error: ImagePullBackOff`},
		{"ending", Want{Pod: deleted(podOf("c"), 30)}, have(running), "Normal Killing {c} Stopping container c"},
		{"ending without grace", Want{Pod: deleted(podOf("c"), 0)}, have(running), "Normal Killing {c} Stopping container c"},
		{"killed after its grace", Want{Pod: deleted(podOf("c"), 5)}, with(have(running), func(s *State) {
			s.Memory.Stops[runtime.Ref{UID: "u", Container: "c"}] = Stop{Asked: now.Add(-10 * time.Second)}
		}), ""},
		{"ending in a back-off", Want{Pod: deleted(podOf("c"), 30)}, have(exited("c", 1, 1, 0)), ""},
		{"unhealthy", Want{Pod: podOf("c")}, with(have(running), failed("Liveness probe failed: no answer")), "Normal Killing {c} Container c failed liveness probe, will be restarted"},
		{"not up in time", Want{Pod: podOf("c")}, with(have(running), failed("Startup probe failed: no answer")), "Normal Killing {c} Container c failed startup probe, will be restarted"},
		{"unhealthy and ending", Want{Pod: deleted(podOf("c"), 30)}, with(have(running), failed("Liveness probe failed: no answer")), "Normal Killing {c} Stopping container c"},
		{"another image", Want{Pod: imaged(podOf("c"), "app:2")}, have(running), "Normal Killing {c} Container c definition changed, will be restarted"},
		{"a container that the pod does not name", Want{Pod: deleted(podOf("c"), 30)}, have(container("other", 0, runtime.Running)), "Normal Killing {other} Stopping container other"},
		{"a dead sandbox", Want{Pod: podOf("c")}, with(have(), func(s *State) { s.Runtime.Sandbox = &runtime.Sandbox{ID: "s", State: runtime.Exited} }), "Normal SandboxChanged {} Pod sandbox changed, it will be killed and re-created."},
		{"a sandbox at the end", Want{Pod: deleted(podOf("c"), 30)}, have(), ""},
		{"an object that is gone", Want{Pod: podOf("c"), Gone: true}, have(running), ""},
		{"nobody's", Want{Gone: true}, have(running), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := lines(notesBefore(c.want, c.have, Next(c.want, c.have, now), now)); got != c.told {
				t.Errorf("got  %q\nwant %q", got, c.told)
			}
		})
	}
}

func TestP11NotesAfterAStep(t *testing.T) {
	never := because(errImageNeverPull, "Container image %q is not present with pull policy of Never", "app:1")
	for _, c := range []struct {
		verb Verb
		out  outcome
		told string
	}{
		{GetImage, outcome{}, `Normal Pulled {c} Container image "app:1" already present on machine`},
		{GetImage, outcome{missing: true}, ""},
		{GetImage, outcome{err: never}, `Warning ErrImageNeverPull {c} Container image "app:1" is not present with pull policy of Never; Warning Failed {c} Error: ErrImageNeverPull`},
		{GetImage, outcome{err: because(invalidImageName, "bad")}, `Warning InspectFailed {c} Failed to apply default image tag "app:1": bad; Warning Failed {c} Error: InvalidImageName`},
		{GetImage, outcome{err: errors.New("odd")}, "Warning Failed {c} Error: odd"},
		{PullImage, outcome{took: 1234567 * time.Microsecond}, `Normal Pulled {c} Successfully pulled image "app:1" in 1.235s`},
		{PullImage, outcome{err: because(errImagePull, "no manifest")}, `Warning Failed {c} Failed to pull image "app:1": no manifest; Warning Failed {c} Error: ErrImagePull`},
		{PullImage, outcome{err: runtime.ErrDown}, ""},
		{CreateContainer, outcome{}, "Normal Created {c} Created container: c"},
		{CreateContainer, outcome{err: because(createConfigError, "no volume")}, "Warning Failed {c} Error: no volume"},
		{CreateContainer, outcome{err: runtime.ErrNoImage}, ""},
		{StartContainer, outcome{}, ""}, // told when it is seen
		{StartContainer, outcome{err: errors.New("odd")}, `Warning Failed {c} Error: failed to start container "c": odd`},
		{CreateSandbox, outcome{}, ""},
		{CreateSandbox, outcome{err: errors.New("no address")}, "Warning FailedCreatePodSandBox {} Failed to create pod sandbox: no address"},
		{AttachNetwork, outcome{err: errors.New("no bridge")}, "Warning FailedCreatePodSandBox {} Failed to create pod sandbox: no bridge"},
		{StopContainer, outcome{}, ""},
		{RemoveContainer, outcome{}, ""},
	} {
		action := Action{Verb: c.verb, Ref: runtime.Ref{UID: "u", Container: "c"}}
		if got := lines(notesAfter(Want{Pod: podOf("c")}, action, c.out, now)); got != c.told {
			t.Errorf("%s %+v:\ngot  %q\nwant %q", c.verb, c.out, got, c.told)
		}
		if gone := notesAfter(Want{Pod: podOf("c"), Gone: true}, action, c.out, now); gone != nil {
			t.Errorf("%s of an object that is gone: %q", c.verb, lines(gone))
		}
	}
}

func TestP11ABackOffIsToldOnce(t *testing.T) {
	want, h := Want{Pod: podOf("c", "d")}, have(exited("c", 1, 1, 0), container("d", 0, runtime.Running))
	told := func() int {
		notes := notesBefore(want, h, Next(want, h, now), now)
		h.Memory = h.Memory.noted(want, h, now)
		return len(notes)
	}
	if first, second := told(), told(); first != 1 || second != 0 {
		t.Errorf("told %d times, then %d times", first, second)
	}
	h.Runtime.Containers = append(h.Runtime.Containers, have(exited("c", 2, 1, 0)).Runtime.Containers...)
	if third := told(); third != 1 {
		t.Errorf("the next back-off: told %d times", third)
	}
}

func pulled(p *corev1.Pod, policy corev1.PullPolicy) *corev1.Pod {
	p.Spec.Containers[0].ImagePullPolicy = policy
	return p
}

func imaged(p *corev1.Pod, image string) *corev1.Pod {
	p.Spec.Containers[0].Image = image
	return p
}

func noImage(ago time.Duration) func(*State) {
	return func(s *State) {
		s.Memory.Trouble["c"] = Trouble{Reason: errImagePull, Failures: 1, At: now.Add(-ago), Retry: now.Add(10 * time.Second)}
	}
}

func failed(why string) func(*State) {
	return func(s *State) { s.Memory.Health["c0"] = Health{Failed: why} }
}
