package pod

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/agents/runtime"
)

var (
	now     = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	sandbox = runtime.Sandbox{ID: "s", State: runtime.Running}
)

// have is a pod with a sandbox that is up, and these containers.
func have(containers ...runtime.Container) State {
	s := State{Memory: newMemory(Want{}, now), Runtime: runtime.Pod{UID: "u", Sandbox: &sandbox}}
	s.Memory.Attached = "s"
	for _, c := range containers {
		c.Ref.UID = "u"
		if c.Image == "" {
			c.Image = "app:1"
		}
		s.Runtime.Containers = append(s.Runtime.Containers, c)
	}
	return s
}

func container(name string, attempt int, state runtime.State) runtime.Container {
	return runtime.Container{Ref: runtime.Ref{Container: name, Attempt: attempt}, ID: fmt.Sprint(name, attempt), State: state}
}

func exited(name string, attempt, code int, ago time.Duration) runtime.Container {
	c := container(name, attempt, runtime.Exited)
	c.ExitCode, c.StartedAt, c.FinishedAt, c.Streak = code, now.Add(-ago-time.Second), now.Add(-ago), attempt
	return c
}

func with(s State, change func(*State)) State {
	change(&s)
	return s
}

func podOf(names ...string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "d", UID: "u"}}
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	for _, name := range names {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Image: "app:1"})
	}
	return p
}

func deleted(p *corev1.Pod, grace int64) *corev1.Pod {
	at := metav1.NewTime(now)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
	return p
}

// show writes an action with its times relative to now.
func show(a Action) string {
	out := a.String()
	if a.Verb == Wait {
		out += " " + a.At.Sub(now).String()
	}
	if a.Verb == CreateContainer || a.Verb == GetImage {
		out += fmt.Sprintf(" streak %d", a.Streak)
	}
	return out
}

func TestNext(t *testing.T) {
	running := container("c", 0, runtime.Running)
	for _, c := range []struct {
		name string
		want Want
		have State
		next string
	}{
		{"nothing yet", Want{Pod: podOf("c")}, State{Memory: newMemory(Want{}, now)}, "create sandbox 0"},
		{"sandbox without a network", Want{Pod: podOf("c")}, with(have(), func(s *State) { s.Memory.Attached = "" }), "attach network"},
		{"another sandbox's network", Want{Pod: podOf("c")}, with(have(), func(s *State) { s.Memory.Attached = "old" }), "attach network"},
		{"the host's network needs none", Want{Pod: podOf("c")}, with(have(), func(s *State) {
			s.Memory.Attached, s.Runtime.Sandbox = "", &runtime.Sandbox{ID: "s", State: runtime.Running, HostNetwork: true}
		}), "get image c/0 streak 0"},
		{"image first", Want{Pod: podOf("c")}, have(), "get image c/0 streak 0"},
		{"then the container", Want{Pod: podOf("c")}, with(have(), func(s *State) { s.Memory.Ready["c"] = 0 }), "create container c/0 streak 0"},
		{"then its start", Want{Pod: podOf("c")}, have(container("c", 0, runtime.Created)), "start container c/0"},
		{"all is well", Want{Pod: podOf("c")}, have(running), "nothing"},
		{"the second container", Want{Pod: podOf("c", "d")}, have(running), "get image d/0 streak 0"},
		{"one waits for its image, the other goes on", Want{Pod: podOf("c", "d")}, with(have(), func(s *State) {
			s.Memory.Trouble["c"] = Trouble{Reason: errImagePull, At: now.Add(-5 * time.Second), Retry: now.Add(5 * time.Second)}
		}), "get image d/0 streak 0"},
		{"both wait: the earlier", Want{Pod: podOf("c", "d")}, with(have(exited("d", 2, 1, 15*time.Second)), func(s *State) {
			s.Memory.Trouble["c"] = Trouble{Reason: errImagePull, At: now.Add(-5 * time.Second), Retry: now.Add(30 * time.Second)}
		}), "wait 5s"},
		{"an image error is shown for a moment", Want{Pod: podOf("c")}, with(have(), func(s *State) {
			s.Memory.Trouble["c"] = Trouble{Reason: errImagePull, At: now, Retry: now.Add(10 * time.Second)}
		}), "wait 2s"},
		{"a first crash is answered at once", Want{Pod: podOf("c")}, have(exited("c", 0, 1, 0)), "get image c/1 streak 1"},
		{"a second waits", Want{Pod: podOf("c")}, have(exited("c", 1, 1, 4*time.Second)), "wait 6s"},
		{"a ninth waits five minutes", Want{Pod: podOf("c")}, have(exited("c", 9, 1, 0)), "wait 5m0s"},
		{"a sandbox that died: containers first", Want{Pod: podOf("c")}, with(have(running), func(s *State) {
			s.Runtime.Sandbox = &runtime.Sandbox{ID: "s", State: runtime.Exited}
		}), "kill container c/0"},
		{"a sandbox that died: then itself", Want{Pod: podOf("c")}, with(have(exited("c", 0, 137, 0)), func(s *State) {
			s.Runtime.Sandbox = &runtime.Sandbox{ID: "s", State: runtime.Exited}
		}), "remove sandbox"},
		{"a sandbox that is gone: the next", Want{Pod: podOf("c")}, with(have(exited("c", 0, 137, 0)), func(s *State) { s.Runtime.Sandbox = nil }), "create sandbox 1"},
		{"a kill that had no effect is repeated", Want{Pod: podOf("c")}, with(have(running), func(s *State) {
			s.Runtime.Sandbox = nil
			s.Memory.Stops[runtime.Ref{UID: "u", Container: "c"}] = Stop{Killed: now.Add(-time.Second)}
		}), "wait 4s"},
		{"created for a sandbox that is no more", Want{Pod: podOf("c")}, with(have(container("c", 1, runtime.Created)), func(s *State) {
			s.Runtime.Sandbox = &runtime.Sandbox{ID: "s", State: runtime.Running, Attempt: 1}
		}), "remove container c/1"},
		{"old attempts go, the previous stays", Want{Pod: podOf("c")}, have(exited("c", 0, 1, 0), exited("c", 1, 1, 0), container("c", 2, runtime.Running)), "remove container c/0"},
		{"an unhealthy container stops", Want{Pod: podOf("c")}, with(have(running), func(s *State) { s.Memory.Health["c0"] = Health{Failed: "no answer"} }), "stop container c/0"},
		{"its count goes on after the engine forgot it", Want{Pod: podOf("c")}, with(have(), func(s *State) {
			s.Memory.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", ContainerID: "x", RestartCount: 4}}
		}), "get image c/5 streak 0"},
		{"ending: the signal", Want{Pod: deleted(podOf("c"), 30)}, have(running), "stop container c/0"},
		{"ending without grace: at once", Want{Pod: deleted(podOf("c"), 0)}, have(running), "kill container c/0"},
		{"ending: both are asked before either is waited for", Want{Pod: deleted(podOf("c", "d"), 30)}, with(have(running, container("d", 0, runtime.Running)), func(s *State) {
			s.Memory.Stops[running.Ref] = Stop{}
			s.Memory.Stops[runtime.Ref{UID: "u", Container: "c"}] = Stop{Asked: now.Add(-time.Second)}
		}), "stop container d/0"},
		{"ending: the grace period", Want{Pod: deleted(podOf("c"), 30)}, with(have(running), func(s *State) {
			s.Memory.Stops[runtime.Ref{UID: "u", Container: "c"}] = Stop{Asked: now.Add(-10 * time.Second)}
		}), "wait 20s"},
		{"ending: the grace period was shortened", Want{Pod: deleted(podOf("c"), 5)}, with(have(running), func(s *State) {
			s.Memory.Stops[runtime.Ref{UID: "u", Container: "c"}] = Stop{Asked: now.Add(-10 * time.Second)}
		}), "kill container c/0"},
		{"ending: containers go", Want{Pod: deleted(podOf("c"), 30)}, have(exited("c", 0, 0, 0)), "remove container c/0"},
		{"ending: the sandbox goes", Want{Pod: deleted(podOf("c"), 30)}, have(), "remove sandbox"},
		{"ending: what it held", Want{Pod: deleted(podOf("c"), 30)}, with(have(), func(s *State) { s.Runtime.Sandbox = nil }), "release network and volumes"},
		{"ending: the end", Want{Pod: deleted(podOf("c"), 30)}, with(have(), func(s *State) { s.Runtime.Sandbox, s.Memory.Released = nil, true }), "end"},
		{"nobody's: it goes too", Want{Gone: true, Grace: time.Minute}, have(running), "stop container c/0"},
		{"evicted by the control plane", Want{Pod: evicted(podOf("c"))}, have(running), "stop container c/0"},
		{"evicted: its logs stay", Want{Pod: evicted(podOf("c"))}, with(have(exited("c", 0, 0, 0)), func(s *State) { s.Runtime.Sandbox, s.Memory.Released = nil, true }), "nothing"},
		{"failed once is failed for ever", Want{Pod: podOf("c")}, with(have(), func(s *State) {
			s.Runtime.Sandbox, s.Memory.Released, s.Memory.Status.Phase = nil, true, corev1.PodFailed
		}), "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(Next(c.want, c.have, now)); got != c.next {
				t.Errorf("%s, want %s", got, c.next)
			}
		})
	}
}

func evicted(p *corev1.Pod) *corev1.Pod {
	p.Status.Phase = corev1.PodFailed
	return p
}

// TestBackOffDelays: 10 s doubled, at most five minutes.
func TestBackOffDelays(t *testing.T) {
	var got []string
	for streak := range 9 {
		got = append(got, restartDelay(runtime.Container{Streak: streak, StartedAt: now, FinishedAt: now.Add(time.Minute)}).String())
	}
	if want := "0s 10s 20s 40s 1m20s 2m40s 5m0s 5m0s 5m0s"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if d := restartDelay(runtime.Container{Streak: 8, StartedAt: now, FinishedAt: now.Add(10 * time.Minute)}); d != 0 {
		t.Errorf("after ten minutes of running: %s", d)
	}
}
