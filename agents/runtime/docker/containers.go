package docker

import (
	"context"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
)

// CreateContainer creates one attempt in the pod's sandbox.
func (e *Engine) CreateContainer(ctx context.Context, spec runtime.ContainerSpec) error {
	_, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: spec.Ref.String(),
		Config: &container.Config{
			Image: spec.Image, Entrypoint: spec.Command, Cmd: spec.Args, Env: spec.Env, WorkingDir: spec.WorkingDir,
			User: spec.Security.User, Labels: e.containerLabels(spec),
			Tty: spec.TTY, OpenStdin: spec.Stdin, StdinOnce: spec.StdinOnce,
		},
		HostConfig: e.containerHost(spec),
	})
	switch {
	case err == nil, cerrdefs.IsConflict(err): // a conflict is an earlier try of ours
		return nil
	case cerrdefs.IsNotFound(err) && strings.Contains(err.Error(), "No such image"):
		return fmt.Errorf("docker: create container %s: %w: %w", spec.Ref, runtime.ErrNoImage, err)
	default:
		return e.fault(ctx, "create container "+spec.Ref.String(), err)
	}
}

// Logs are rotated by the engine, so that none can fill the disk.
var logConfig = container.LogConfig{
	Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"},
}

func (e *Engine) containerHost(spec runtime.ContainerSpec) *container.HostConfig {
	sandbox := "container:" + runtime.SandboxName(spec.UID)
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(sandbox),
		IpcMode:     container.IpcMode(sandbox),
		LogConfig:   logConfig,
		OomScoreAdj: max(e.oom, spec.Resources.OOMScore),
		Resources: container.Resources{
			CPUShares: spec.Resources.CPUShares,
			NanoCPUs:  spec.Resources.MilliCPU * 1e6,
			Memory:    spec.Resources.Memory, MemorySwap: spec.Resources.Memory, // no swap beyond it
		},
		Privileged: spec.Security.Privileged, ReadonlyRootfs: spec.Security.ReadOnly, GroupAdd: spec.Security.Groups,
		CapAdd: spec.Security.Add, CapDrop: spec.Security.Drop,
	}
	if spec.Security.NoNewPrivileges {
		host.SecurityOpt = []string{"no-new-privileges"}
	}
	switch {
	case spec.HostPID:
		host.PidMode = "host"
	case spec.SharePID:
		host.PidMode = container.PidMode(sandbox)
	}
	for _, m := range spec.Mounts {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	return host
}

// StartContainer starts it. One that cannot be started shows as exited, with
// the engine's words; that is a fact about the container, not a failed call.
func (e *Engine) StartContainer(ctx context.Context, ref runtime.Ref) error {
	inspected, err := e.inspect(ctx, "start container "+ref.String(), ref)
	if err != nil || stateOf(inspected.State) != runtime.Created {
		return err
	}
	if _, err = e.api.ContainerStart(ctx, ref.String(), client.ContainerStartOptions{}); err == nil {
		return nil
	}
	after, again := e.inspect(ctx, "start container "+ref.String(), ref)
	if again == nil && stateOf(after.State) != runtime.Created {
		return nil
	}
	return e.fault(ctx, "start container "+ref.String(), err)
}

func (e *Engine) inspect(ctx context.Context, tried string, ref runtime.Ref) (*container.InspectResponse, error) {
	inspected, err := e.api.ContainerInspect(ctx, ref.String(), client.ContainerInspectOptions{})
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, fmt.Errorf("docker: %s: %w", tried, runtime.ErrNotFound)
	case err != nil:
		return nil, e.fault(ctx, tried, err)
	}
	return &inspected.Container, nil
}

// StopContainer sends the signal that the image asks for, or KILL.
func (e *Engine) StopContainer(ctx context.Context, ref runtime.Ref, force bool) error {
	tried := "stop container " + ref.String()
	inspected, err := e.inspect(ctx, tried, ref)
	if err != nil {
		return err
	}
	signal := inspected.Config.StopSignal
	switch {
	case force:
		signal = "SIGKILL"
	case signal == "":
		signal = "SIGTERM"
	}
	_, err = e.api.ContainerKill(ctx, ref.String(), client.ContainerKillOptions{Signal: signal})
	switch {
	case err == nil, cerrdefs.IsConflict(err): // a conflict: it is not running
		return nil
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("docker: %s: %w", tried, runtime.ErrNotFound)
	default:
		return e.fault(ctx, tried, err)
	}
}

// RemoveContainer removes it, killing it when it runs.
func (e *Engine) RemoveContainer(ctx context.Context, ref runtime.Ref) error {
	return e.remove(ctx, ref.String())
}
