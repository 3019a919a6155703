package pod

import (
	"errors"
	"fmt"
	"time"

	"segno/agents/runtime"
)

// Reasons that a waiting container shows, as Kubernetes names them.
const (
	errImagePull         = "ErrImagePull"
	errImageNeverPull    = "ErrImageNeverPull"
	invalidImageName     = "InvalidImageName"
	createContainerError = "CreateContainerError"
	createConfigError    = "CreateContainerConfigError"
	runContainerError    = "RunContainerError"
	containerCreating    = "ContainerCreating"
	podInitializing      = "PodInitializing"
)

// reasoned is an error that knows the reason under which it is shown.
type reasoned struct {
	reason string
	err    error
}

func (r *reasoned) Error() string { return r.err.Error() }
func (r *reasoned) Unwrap() error { return r.err }

func because(reason, format string, args ...any) error {
	return &reasoned{reason: reason, err: fmt.Errorf(format, args...)}
}

// after is the memory after an action and what came of it. The maps are the
// keeper's own and changed in place.
func (m Memory) after(action Action, out outcome, now time.Time) Memory {
	key, err := "", out.err
	switch action.Verb {
	case GetImage, CreateContainer:
		key = action.Ref.Container
	case PullImage:
		key = action.Ref.Container
		delete(m.Missing, key) // somebody may load it by hand: it is looked for before the next try
	case StartContainer:
		key = action.Ref.Container
		if err == nil {
			m.Starting = action.Ref
		}
	case StopContainer:
		if err == nil {
			m.Stops[action.Ref] = Stop{Asked: now}
		}
	case KillContainer:
		stop := m.Stops[action.Ref]
		stop.Killed = now
		m.Stops[action.Ref] = stop
	case RemoveContainer:
		if err == nil {
			delete(m.Stops, action.Ref)
		}
	case Release:
		m.Released = err == nil
	case CreateSandbox:
		m.Released = false
	case Nothing, Wait, RemoveSandbox, AttachNetwork, End:
	}
	if err != nil {
		m.failed(key, action, err, now)
		return m
	}
	switch {
	case action.Verb == GetImage && out.missing:
		m.Missing[key] = true
		return m
	case action.Verb == GetImage, action.Verb == PullImage:
		m.Ready[key] = action.Ref.Attempt
		return m
	}
	delete(m.Trouble, key)
	return m
}

func (m Memory) failed(key string, action Action, err error, now time.Time) {
	if errors.Is(err, runtime.ErrDown) {
		return // nothing is known about the pod: what was told of it stays
	}
	var r *reasoned
	switch {
	case key == "":
		m.Trouble[key] = m.Trouble[key].failed(containerCreating, err.Error(), time.Second, 30*time.Second, now)
	case errors.As(err, &r):
		m.Trouble[key] = m.Trouble[key].failed(r.reason, err.Error(), firstBackOff, mostBackOff, now)
	case action.Verb == CreateContainer && errors.Is(err, runtime.ErrNoImage):
		delete(m.Ready, key) // it was removed meanwhile: get it once more
	case action.Verb == StartContainer:
		m.Trouble[key] = m.Trouble[key].failed(runContainerError, err.Error(), firstBackOff, mostBackOff, now)
	default:
		m.Trouble[key] = m.Trouble[key].failed(createContainerError, err.Error(), firstBackOff, mostBackOff, now)
	}
}
