package simulated

import (
	"context"
	"fmt"
	"slices"
	"time"

	"segno/agents/runtime"
	"segno/agents/wait"
)

// CreateContainer makes one attempt; there already is success.
func (e *Engine) CreateContainer(_ context.Context, spec runtime.ContainerSpec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("create container " + spec.Ref.String()); err != nil {
		return err
	}
	p := e.pods[spec.UID]
	if p == nil || p.sandbox == nil || p.sandbox.State != runtime.Running {
		return fmt.Errorf("create container %s: its sandbox: %w", spec.Ref, runtime.ErrNotRunning)
	}
	if e.cfg.NoImage != nil && e.cfg.NoImage(spec.Image) != nil {
		return fmt.Errorf("create container %s: image %s: %w", spec.Ref, spec.Image, runtime.ErrNoImage)
	}
	if e.find(spec.Ref) != nil {
		return nil
	}
	p.containers = append(p.containers, &container{
		Container: runtime.Container{
			Ref: spec.Ref, ID: e.id(), State: runtime.Created, Sandbox: spec.Sandbox, Streak: spec.Streak,
			Image: spec.Image, ImageID: "simulated://" + spec.Image, Seq: spec.Seq, CreatedAt: e.now(),
		},
		script: e.scriptFor(spec),
	})
	return nil
}

// StartContainer takes the configured time, then the container's script runs.
func (e *Engine) StartContainer(ctx context.Context, ref runtime.Ref) error {
	if err := wait.For(ctx, e.cfg.StartLatency); err != nil {
		return fmt.Errorf("start container %s: %w", ref, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("start container " + ref.String()); err != nil {
		return err
	}
	c := e.find(ref)
	if c == nil {
		return fmt.Errorf("start container %s: %w", ref, runtime.ErrNotFound)
	}
	if c.State != runtime.Created {
		return nil
	}
	now := e.now()
	c.State, c.StartedAt = runtime.Running, now
	c.say(now, "simulated container "+ref.Container+" of image "+c.Image+": started")
	c.sayAll(now, c.script.Log)
	switch s := c.script; {
	case s.Exits && s.RunFor <= 0:
		c.end(now, s.ExitCode, s.OOM)
	case s.Exits && e.cfg.Now != nil:
		c.due = now.Add(s.RunFor)
	case s.Exits:
		c.ends = time.AfterFunc(s.RunFor, func() { e.finish(ref, s.ExitCode, s.OOM) })
	}
	return nil
}

// finish ends a running container from outside of any call.
func (e *Engine) finish(ref runtime.Ref, exitCode int, oom bool) {
	e.mu.Lock()
	c := e.find(ref)
	running := c != nil && c.State == runtime.Running
	if running {
		c.end(e.now(), exitCode, oom)
	}
	e.mu.Unlock()
	if running {
		e.tell(ref.UID)
	}
}

// Kill ends a container from outside, as a crash would.
func (e *Engine) Kill(ref runtime.Ref, exitCode int) { e.finish(ref, exitCode, false) }

// end is called with the engine's lock held, on a running container.
func (c *container) end(at time.Time, exitCode int, oom bool) {
	c.State, c.FinishedAt, c.due = runtime.Exited, at, time.Time{}
	c.ExitCode, c.OOMKilled = exitCode, oom
	if c.ends != nil {
		c.ends.Stop()
	}
	c.say(at, fmt.Sprintf("simulated container %s: exited with code %d", c.Ref.Container, exitCode))
	if c.done != nil {
		close(c.done)
		c.done = nil
	}
}

// StopContainer ends the container at once, unless its script ignores signals.
func (e *Engine) StopContainer(_ context.Context, ref runtime.Ref, force bool) error {
	e.mu.Lock()
	if err := e.answers("stop container " + ref.String()); err != nil {
		e.mu.Unlock()
		return err
	}
	c := e.find(ref)
	ends := c != nil && c.State == runtime.Running && (force || !c.script.IgnoreTerm)
	if ends {
		code := c.script.TermCode
		if force {
			code = 137
		}
		c.end(e.now(), code, false)
	}
	e.mu.Unlock()
	if c == nil {
		return fmt.Errorf("stop container %s: %w", ref, runtime.ErrNotFound)
	}
	if ends {
		e.tell(ref.UID)
	}
	return nil
}

// RemoveContainer forgets the container.
func (e *Engine) RemoveContainer(_ context.Context, ref runtime.Ref) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("remove container " + ref.String()); err != nil {
		return err
	}
	c := e.find(ref)
	if c == nil {
		return nil
	}
	if c.State == runtime.Running {
		c.end(e.now(), 137, false)
	}
	p := e.pods[ref.UID]
	p.containers = slices.DeleteFunc(p.containers, func(other *container) bool { return other == c })
	e.forget(p)
	return nil
}
