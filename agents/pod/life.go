package pod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/runtime"
	"segno/agents/wait"
	"segno/proto"
)

// life is one pod in the keeper's care.
type life struct {
	uid string

	// Guarded by the keeper's lock.
	want   Want
	queued bool // in the queue or being worked on: never twice at once
	again  bool // changed while it was worked on
	fresh  bool // a new want, or the engine is back: failures need not wait
	timer  *time.Timer
	due    time.Time            // the same as timer, for CatchUp
	probes map[string]*watching // by container id
	pull   *pull                // the one that is on its way, if any

	// Owned by whoever works on it.
	started bool
	state   State
	told    []byte           // newest status that was told, encoded
	last    corev1.PodStatus // the same
	retry   time.Time        // not before: an effect on the pod as a whole failed
	fails   int
	doing   Action    // takes its time, for CatchUp
	until   time.Time // is how long
}

// tend takes a life as far as it goes now, one step after another.
func (k *Keeper) tend(ctx context.Context, l *life) {
	for ctx.Err() == nil {
		want, fresh := k.current(l)
		now := k.now()
		if !fresh && now.Before(l.retry) {
			k.tendAt(ctx, l, l.retry)
			return
		}
		if !l.started {
			l.started, l.state = true, State{Node: k.cfg.Node, Memory: newMemory(want, now)}
			l.last = l.state.Memory.Status
			l.told = encode(l.last)
		}
		more, err := k.step(ctx, l, want, now)
		if err != nil && ctx.Err() == nil {
			k.cfg.Logger.Warn("step of a pod failed", "pod", nameOf(want, l.uid), "error", err)
			l.retry = now.Add(wait.Doubled(time.Second, 30*time.Second, l.fails))
			l.fails++
			k.tell(l, want, now, Action{Verb: Nothing})
			continue
		}
		l.retry, l.fails = time.Time{}, 0
		if !more {
			return
		}
	}
}

func (k *Keeper) current(l *life) (want Want, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh, l.fresh = l.fresh, false
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.due = time.Time{}
	return l.want, fresh
}

// step looks, decides, tells, notes and acts, once each.
func (k *Keeper) step(ctx context.Context, l *life, want Want, now time.Time) (more bool, err error) {
	have, err := k.cfg.Runtime.Inspect(ctx, l.uid)
	if err != nil {
		return false, err
	}
	l.state.Runtime = have
	starts := k.watchHealth(ctx, l, want)
	action := Next(want, l.state, now)
	if l.doing != action { // else told already
		k.note(notesBefore(want, l.state, action, now))
	}
	for _, start := range starts {
		start()
	}
	l.state.Memory = l.state.Memory.noted(want, l.state, now)
	k.tell(l, want, now, action)
	switch action.Verb {
	case Nothing:
		return false, nil
	case Wait:
		k.tendAt(ctx, l, action.At)
		return false, nil
	case End:
		k.cfg.Observe(l.uid, action, nil)
		k.forget(l)
		return false, nil
	default:
	}
	if at, takes := k.takes(l, want, action, now); takes {
		k.tendAt(ctx, l, at)
		return false, nil
	}
	var out outcome
	out.missing, out.err = k.perform(ctx, l, want, action)
	after := k.now()
	out.took, err = after.Sub(now), out.err
	k.cfg.Observe(l.uid, action, err)
	if errors.Is(err, errNotWanted) {
		return true, nil
	}
	if ctx.Err() == nil {
		k.note(notesAfter(want, action, out, after))
	}
	l.state.Memory = l.state.Memory.after(action, out, after)
	if err != nil && action.ofContainer() && !errors.Is(err, runtime.ErrDown) {
		return true, nil // its trouble is remembered; the rest of the pod goes on
	}
	return true, err
}

// ofContainer says that a failure holds up only one container of the pod.
func (a Action) ofContainer() bool {
	return a.Verb == GetImage || a.Verb == PullImage || a.Verb == CreateContainer || a.Verb == StartContainer
}

func (k *Keeper) note(notes []proto.NodeNote) {
	for _, n := range notes {
		k.cfg.Note(n)
	}
}

func (k *Keeper) tendAt(ctx context.Context, l *life, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() == nil && k.lives[l.uid] == l {
		l.due = at
		if k.cfg.Now == nil {
			l.timer = time.AfterFunc(time.Until(at), func() { k.Wake(l.uid) })
		}
	}
}

func (k *Keeper) forget(l *life) {
	k.mu.Lock()
	if k.lives[l.uid] == l {
		delete(k.lives, l.uid)
	}
	for _, w := range l.probes {
		w.stop()
	}
	k.mu.Unlock()
	k.cfg.Forget(l.uid)
}

// tell reports the status when it differs from the newest one told, unless
// the next action, a moment away, has more to tell.
func (k *Keeper) tell(l *life, want Want, now time.Time, next Action) {
	if want.Gone || want.Pod == nil {
		return
	}
	if next.Verb == AttachNetwork && mainStarted(want.Pod, l.state) {
		return // adopted: its cable is only looked at
	}
	status := Status(want, l.state, now)
	l.state.Memory.Status = status
	body, ended := encode(status), next.Verb == End
	if bytes.Equal(body, l.told) && !ended {
		return
	}
	reason, cause := reasonOf(l.last, status), want.Seq
	switch {
	case ended:
		reason = reasonEnded
	case passing(want, reason, next):
		return
	case happened(reason):
		cause = 0
	}
	l.told, l.last = body, status
	k.cfg.Tell(proto.ReportItem{
		Key: podResource.Key(want.Pod.Namespace, want.Pod.Name), UID: l.uid,
		Cause: cause, Reason: reason, Status: body, Ended: ended,
	})
}

// passing says that a status is that of a moment: nobody need hear of it.
func passing(want Want, reason string, next Action) bool {
	switch next.Verb {
	case Nothing, Wait, End:
		return false
	case RemoveContainer, RemoveSandbox, Release:
		return want.ending() || reason == reasonChanged // the end itself tells all
	default:
		return reason == reasonChanged
	}
}

// encode cannot fail: nothing in a status has no encoding.
func encode(status corev1.PodStatus) []byte {
	body, err := (&corev1.Pod{Status: status}).Marshal()
	if err != nil {
		panic(fmt.Sprintf("encode a pod's status: %v", err))
	}
	return body
}

var podResource = proto.Resource{Name: "pods"}

func nameOf(want Want, uid string) string {
	if want.Pod == nil {
		return uid
	}
	return want.Pod.Namespace + "/" + want.Pod.Name
}

// perform has the one effect of a step. Missing is an answer of GetImage.
func (k *Keeper) perform(ctx context.Context, l *life, want Want, action Action) (missing bool, err error) {
	if action.Verb == GetImage {
		c := containerNamed(want.Pod, action.Ref.Container)
		return k.findImage(ctx, c.Image, c.ImagePullPolicy)
	}
	return false, k.effect(ctx, l, want, action)
}

func (k *Keeper) effect(ctx context.Context, l *life, want Want, action Action) error {
	rt := k.cfg.Runtime
	switch action.Verb {
	case CreateSandbox:
		return k.createSandbox(ctx, want, action)
	case AttachNetwork:
		if err := k.isolate(ctx, want); err != nil {
			return err
		}
		if err := k.cfg.Network.Attach(ctx, l.uid, *l.state.Runtime.Sandbox, hostPorts(want.Pod)); err != nil {
			return err
		}
		l.state.Memory.Attached = l.state.Runtime.Sandbox.ID
		return nil
	case RemoveSandbox:
		return rt.RemoveSandbox(ctx, l.uid)
	case Release:
		if err := k.cfg.Network.Release(ctx, l.uid); err != nil {
			return err
		}
		if k.cfg.Isolate != nil {
			k.cfg.Isolate.Detach(l.uid)
		}
		return k.volumes.remove(l.uid)
	case PullImage:
		return k.pullImage(ctx, l, containerNamed(want.Pod, action.Ref.Container))
	case CreateContainer:
		return k.createContainer(ctx, l, want, action)
	case StartContainer:
		return rt.StartContainer(ctx, action.Ref)
	case StopContainer:
		return rt.StopContainer(ctx, action.Ref, false)
	case KillContainer:
		return rt.StopContainer(ctx, action.Ref, true)
	case RemoveContainer:
		return rt.RemoveContainer(ctx, action.Ref)
	case Nothing, Wait, GetImage, End:
	}
	return nil
}

// isolate comes before the cable: the pod is never open by mistake.
func (k *Keeper) isolate(ctx context.Context, want Want) error {
	if k.cfg.Isolate == nil {
		return nil
	}
	addresses, err := k.cfg.Network.Allocate(string(want.Pod.UID))
	if err != nil {
		return fmt.Errorf("address of pod %s: %w", want.Pod.Name, err)
	}
	return k.cfg.Isolate.Attach(ctx, want.Pod, addresses)
}

func (k *Keeper) createSandbox(ctx context.Context, want Want, action Action) error {
	spec := sandboxSpec(want, action.Sandbox, k.cfg.Node.Address)
	if !spec.HostNetwork {
		addresses, err := k.cfg.Network.Allocate(spec.UID)
		if err != nil {
			return fmt.Errorf("address of pod %s: %w", want.Pod.Name, err)
		}
		if spec.Address = addresses[0]; len(addresses) > 1 {
			spec.Second = addresses[1]
		}
	}
	return k.cfg.Runtime.CreateSandbox(ctx, spec)
}

func (k *Keeper) createContainer(ctx context.Context, l *life, want Want, action Action) error {
	spec, err := containerSpec(want, l.state, k.volumes, action)
	if err != nil {
		return err
	}
	if err := k.giveNames(&spec, want.Pod, *l.state.Runtime.Sandbox); err != nil {
		return err
	}
	if name := action.Ref.Container; imageDecidesUser(want.Pod, containerNamed(want.Pod, name)) {
		image, err := k.cfg.Runtime.Image(ctx, spec.Image)
		if err != nil {
			return err
		}
		if err := checkNotRoot(want.Pod.Name, name, image.User); err != nil {
			return err
		}
	}
	return k.cfg.Runtime.CreateContainer(ctx, spec)
}

// findImage tells whether an image must be pulled, as far as the policy lets it.
func (k *Keeper) findImage(ctx context.Context, image string, policy corev1.PullPolicy) (missing bool, err error) {
	_, err = k.cfg.Runtime.Image(ctx, image)
	switch {
	case errors.Is(err, runtime.ErrImageName):
		return false, because(invalidImageName, "%w", err)
	case err == nil || !errors.Is(err, runtime.ErrNoImage):
		return false, err
	case policy == corev1.PullNever:
		return false, because(errImageNeverPull, "Container image %q is not present with pull policy of Never", image)
	default:
		return true, nil
	}
}
