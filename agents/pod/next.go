package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
)

// Next decides the one next step in the life of a pod. It is pure: the same
// values give the same step. Wait says when to ask again though nothing
// changed; Nothing says that only a change can matter.
func Next(want Want, have State, now time.Time) Action {
	d := &decision{want: want, have: have, now: now}
	var action Action
	var found bool
	switch {
	case want.ending():
		action, found = d.tearDown()
	case finished(want, have, now):
		action, found = d.settle()
	default:
		action, found = d.keepUp()
	}
	switch {
	case found:
		return action
	case !d.wake.IsZero():
		return Action{Verb: Wait, At: d.wake}
	default:
		return Action{Verb: Nothing}
	}
}

// decision collects, beside the first step found, the earliest time at which
// waiting ends.
type decision struct {
	want Want
	have State
	now  time.Time
	wake time.Time
}

func (d *decision) later(at time.Time) {
	if d.wake.IsZero() || at.Before(d.wake) {
		d.wake = at
	}
}

// tearDown removes everything: containers stop, go, then what they stood on.
func (d *decision) tearDown() (Action, bool) {
	if action, found := d.stopAll(); found || anyRunning(d.have) {
		return action, found
	}
	for _, c := range d.have.Runtime.Containers {
		return Action{Verb: RemoveContainer, Ref: c.Ref}, true
	}
	if d.have.Runtime.Sandbox != nil {
		return Action{Verb: RemoveSandbox}, true
	}
	if !d.have.Memory.Released {
		return Action{Verb: Release}, true
	}
	return Action{Verb: End}, true
}

// settle keeps what a person may still ask about (the dead containers, for
// their logs) and gives back the rest.
func (d *decision) settle() (Action, bool) {
	if action, found := d.stopAll(); found || anyRunning(d.have) {
		return action, found
	}
	if d.have.Runtime.Sandbox != nil {
		return Action{Verb: RemoveSandbox}, true
	}
	if !d.have.Memory.Released {
		return Action{Verb: Release}, true
	}
	return Action{}, false
}

func (d *decision) stopAll() (Action, bool) {
	for _, c := range d.have.Runtime.Containers {
		if action, found := d.stop(c, d.want.grace()); found {
			return action, true
		}
	}
	return Action{}, false
}

// stop brings a running container to its end: the stop signal, the grace
// period, KILL.
func (d *decision) stop(c runtime.Container, grace time.Duration) (Action, bool) {
	if c.State != runtime.Running {
		return Action{}, false
	}
	stop := d.have.Memory.Stops[c.Ref]
	if stop.Asked.IsZero() && grace > 0 {
		return Action{Verb: StopContainer, Ref: c.Ref}, true
	}
	due := stop.Asked.Add(grace)
	if again := stop.Killed.Add(killAgain); !stop.Killed.IsZero() && again.After(due) {
		due = again
	}
	if d.now.Before(due) {
		d.later(due)
		return Action{}, false
	}
	return Action{Verb: KillContainer, Ref: c.Ref}, true
}

// keepUp brings a living pod towards what it should be.
func (d *decision) keepUp() (Action, bool) {
	if at, limited := deadline(d.want, d.have); limited {
		d.later(at)
	}
	if action, found := d.sandbox(); found || !d.sandboxUp() {
		return action, found
	}
	if action, found, done := d.inits(); found || !done {
		return action, found
	}
	for i := range d.want.Pod.Spec.Containers {
		c := &d.want.Pod.Spec.Containers[i]
		if action, found := d.container(c, d.want.Pod.Spec.RestartPolicy); found {
			return action, true
		}
	}
	return d.sweep()
}

func (d *decision) sandboxUp() bool {
	s := d.have.Runtime.Sandbox
	return s != nil && s.State == runtime.Running && (s.HostNetwork || d.have.Memory.Attached == s.ID)
}

// sandbox makes sure that there is a running one, with a network. Containers
// of a dead one have lost their network for ever and start anew.
func (d *decision) sandbox() (Action, bool) {
	s := d.have.Runtime.Sandbox
	if s != nil && s.State == runtime.Running {
		if !s.HostNetwork && d.have.Memory.Attached != s.ID {
			return Action{Verb: AttachNetwork}, true
		}
		return Action{}, false
	}
	for _, c := range d.have.Runtime.Containers {
		if action, found := d.stop(c, 0); found {
			return action, true
		}
	}
	if anyRunning(d.have) {
		return Action{}, false
	}
	if s != nil {
		return Action{Verb: RemoveSandbox}, true
	}
	return Action{Verb: CreateSandbox, Sandbox: d.nextSandbox()}, true
}

func (d *decision) nextSandbox() int {
	next := 0
	for _, c := range d.have.Runtime.Containers {
		next = max(next, c.Sandbox+1)
	}
	return next
}

// inits runs the init containers one after another; done says that the main
// containers may run. Those with restartPolicy Always (sidecars) stay running.
func (d *decision) inits() (action Action, found, done bool) {
	if mainStarted(d.want.Pod, d.have) {
		return d.sidecars()
	}
	for i := range d.want.Pod.Spec.InitContainers {
		c := &d.want.Pod.Spec.InitContainers[i]
		if initDone(c, d.have) {
			if !isSidecar(c) {
				continue
			}
			if action, found = d.container(c, corev1.RestartPolicyAlways); found {
				return action, true, false
			}
			continue
		}
		action, found = d.container(c, initPolicy(d.want.Pod, c))
		return action, found, false
	}
	return Action{}, false, true
}

func (d *decision) sidecars() (action Action, found, done bool) {
	for i := range d.want.Pod.Spec.InitContainers {
		c := &d.want.Pod.Spec.InitContainers[i]
		if !isSidecar(c) {
			continue
		}
		if action, found = d.container(c, corev1.RestartPolicyAlways); found {
			return action, true, false
		}
	}
	return Action{}, false, true
}

// container takes one container a step further.
func (d *decision) container(spec *corev1.Container, policy corev1.RestartPolicy) (Action, bool) {
	latest, there := d.have.Runtime.Latest(spec.Name)
	sandbox := d.have.Runtime.Sandbox.Attempt
	if !there {
		return d.make(spec, firstAttempt(d.have, spec.Name), 0)
	}
	switch latest.State {
	case runtime.Created:
		if latest.Sandbox != sandbox {
			return Action{Verb: RemoveContainer, Ref: latest.Ref}, true
		}
		return Action{Verb: StartContainer, Ref: latest.Ref}, true
	case runtime.Running:
		if latest.Image != spec.Image || d.have.Memory.Health[latest.ID].Failed != "" {
			return d.stop(latest, GraceOf(d.want.Pod))
		}
		return Action{}, false
	case runtime.Exited:
		return d.restart(spec, policy, latest)
	}
	return Action{}, false
}

// restart answers an exit: nothing, a wait, or the next attempt.
func (d *decision) restart(spec *corev1.Container, policy corev1.RestartPolicy, latest runtime.Container) (Action, bool) {
	if latest.Image != spec.Image {
		return d.make(spec, latest.Ref.Attempt+1, 0)
	}
	if !restarts(policy, latest) && !rerunInit(d.want.Pod, spec.Name, latest, d.have) {
		return Action{}, false
	}
	if due := latest.FinishedAt.Add(restartDelay(latest)); d.now.Before(due) {
		d.later(due)
		return Action{}, false
	}
	return d.make(spec, latest.Ref.Attempt+1, streakOf(latest)+1)
}

// make gets the image, pulling it when it must, then creates the attempt.
func (d *decision) make(spec *corev1.Container, attempt, streak int) (Action, bool) {
	if t, ok := d.have.Memory.Trouble[spec.Name]; ok && d.now.Before(t.Retry) {
		d.later(t.Retry)
		if seen := t.At.Add(shown); d.now.Before(seen) {
			d.later(seen)
		}
		return Action{}, false
	}
	ref := runtime.Ref{UID: string(d.want.Pod.UID), Container: spec.Name, Attempt: attempt}
	action := Action{Verb: GetImage, Ref: ref, Sandbox: d.have.Runtime.Sandbox.Attempt, Streak: streak}
	if ready, ok := d.have.Memory.Ready[spec.Name]; ok && ready == attempt {
		action.Verb = CreateContainer
	} else if d.have.Memory.Missing[spec.Name] || spec.ImagePullPolicy == corev1.PullAlways {
		action.Verb = PullImage
	}
	return action, true
}

// sweep removes dead attempts but the last, whose log is "previous".
func (d *decision) sweep() (Action, bool) {
	for _, c := range d.have.Runtime.Containers {
		latest, _ := d.have.Runtime.Latest(c.Ref.Container)
		if c.State != runtime.Running && c.Ref.Attempt < latest.Ref.Attempt-1 {
			return Action{Verb: RemoveContainer, Ref: c.Ref}, true
		}
	}
	return Action{}, false
}
