package docker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
)

// List answers all pods of this node, by UID.
func (e *Engine) List(ctx context.Context) ([]runtime.Pod, error) {
	pods, err := e.list(ctx, e.owned(), "list containers")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(pods, func(a, b runtime.Pod) int { return strings.Compare(a.UID, b.UID) })
	return pods, nil
}

// Inspect answers one pod.
func (e *Engine) Inspect(ctx context.Context, uid string) (runtime.Pod, error) {
	pods, err := e.list(ctx, e.owned().Add("label", labelUID+"="+uid), "inspect pod "+uid)
	if err != nil || len(pods) == 0 {
		return runtime.Pod{}, err
	}
	return pods[0], nil
}

func (e *Engine) list(ctx context.Context, filters client.Filters, tried string) ([]runtime.Pod, error) {
	found, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, e.fault(ctx, tried, err)
	}
	byUID := map[string]*runtime.Pod{}
	for i := range found.Items {
		inspected, err := e.api.ContainerInspect(ctx, found.Items[i].ID, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			continue // removed since
		}
		if err != nil {
			return nil, e.fault(ctx, tried, err)
		}
		c := &inspected.Container
		labels := c.Config.Labels
		p := byUID[labels[labelUID]]
		if p == nil {
			p = &runtime.Pod{Namespace: labels[labelNamespace], Name: labels[labelPod], UID: labels[labelUID]}
			byUID[p.UID] = p
		}
		if name := labels[labelContainer]; name == "" {
			p.Sandbox = sandboxOf(c)
		} else {
			p.Containers = append(p.Containers, containerOf(c))
		}
	}
	out := make([]runtime.Pod, 0, len(byUID))
	for _, p := range byUID {
		slices.SortFunc(p.Containers, func(a, b runtime.Container) int {
			return cmp.Or(strings.Compare(a.Ref.Container, b.Ref.Container), cmp.Compare(a.Ref.Attempt, b.Ref.Attempt))
		})
		out = append(out, *p)
	}
	return out, nil
}

func sandboxOf(c *container.InspectResponse) *runtime.Sandbox {
	labels := c.Config.Labels
	return &runtime.Sandbox{
		ID: c.ID, Attempt: number(labels, labelAttempt), State: stateOf(c.State), PID: c.State.Pid,
		HostNetwork: labels[labelHost] == "true",
		Address:     addressOf(labels, labelAddress), Second: addressOf(labels, labelSecond), CreatedAt: at(c.Created),
	}
}

func containerOf(c *container.InspectResponse) runtime.Container {
	labels := c.Config.Labels
	out := runtime.Container{
		Ref:     runtime.Ref{UID: labels[labelUID], Container: labels[labelContainer], Attempt: number(labels, labelAttempt)},
		ID:      "docker://" + c.ID,
		State:   stateOf(c.State),
		Sandbox: number(labels, labelSandbox), Streak: number(labels, labelStreak), Seq: seqOf(labels),
		Image: labels[labelImage], ImageID: "docker://" + c.Image,
		CreatedAt: at(c.Created), StartedAt: at(c.State.StartedAt), FinishedAt: at(c.State.FinishedAt),
	}
	if out.State == runtime.Exited {
		out.ExitCode, out.OOMKilled = c.State.ExitCode, c.State.OOMKilled
		if out.StartedAt.IsZero() { // it never ran: the engine says why
			out.Message = cmp.Or(c.State.Error, "the container could not be started")
			out.StartedAt, out.FinishedAt = out.CreatedAt, cmp.Or(out.FinishedAt, out.CreatedAt)
		}
	}
	return out
}

// stateOf reads the engine's states. A container that failed to start stays
// "created" there, with an exit code and an error.
func stateOf(s *container.State) runtime.State {
	switch {
	case s.Running || s.Paused || s.Restarting:
		return runtime.Running
	case s.Status == container.StateCreated && s.ExitCode == 0 && s.Error == "":
		return runtime.Created
	default:
		return runtime.Exited
	}
}

// at reads the engine's times; its "never" is the year 1, as Go's.
func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
