package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
	"segno/agents/wait"
)

// The node's network is the one that the agent is in. Docker's "host" is the
// one that the engine is in: with an engine in a network namespace of its own
// (as setup/engine.sh makes it) that is another one. The sandbox then starts
// with no network and enters the node's by itself; containers join whatever
// network the sandbox's process is in.

const enterPath = "/node-network"

func ownNetwork() string { return networkOf(os.Getpid()) }

// networkOf answers a network's identity, "" when it cannot be read.
func networkOf(pid int) string {
	id, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return id
}

// detour makes a sandbox enter the node's network by itself.
func detour(create *client.ContainerCreateOptions) {
	name, _ := os.Hostname()
	create.Config.Hostname = name
	create.Config.Env = append(create.Config.Env, runtime.EnterVariable+"="+enterPath)
	create.HostConfig.NetworkMode = "none"
	create.HostConfig.CapAdd = []string{"SYS_ADMIN"} // to enter it
	create.HostConfig.SecurityOpt = nil
	create.HostConfig.Mounts = []mount.Mount{{
		Type: mount.TypeBind, Source: fmt.Sprintf("/proc/%d/ns/net", os.Getpid()), Target: enterPath, ReadOnly: true,
	}}
}

// checkHostNetwork waits until a new sandbox is in the node's network. When
// it never gets there, the engine's "host" is another one: from now on
// sandboxes take the detour, and this one is made anew.
func (e *Engine) checkHostNetwork(ctx context.Context, spec runtime.SandboxSpec, image string, tookDetour bool) error {
	pid, err := e.sandboxPID(ctx, spec.UID)
	if err != nil {
		return err
	}
	const patience = 5 * time.Second
	for pause, left := time.Millisecond, patience; networkOf(pid) != ownNetwork(); pause *= 2 {
		if networkOf(pid) == "" && !tookDetour {
			return nil // an engine on another machine, or behind a wall: its word must do
		}
		if !tookDetour {
			e.otherNetwork.Store(true)
			if err := e.RemoveSandbox(ctx, spec.UID); err != nil {
				return err
			}
			return e.createSandbox(ctx, spec, image)
		}
		if left -= pause; left < 0 {
			late := fmt.Errorf("docker: the sandbox of pod %s/%s did not enter the node's network within %s", spec.Namespace, spec.Name, patience)
			return errors.Join(late, e.RemoveSandbox(ctx, spec.UID)) // or it would pass for a good one
		}
		if err := wait.For(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) sandboxPID(ctx context.Context, uid string) (int, error) {
	inspected, err := e.api.ContainerInspect(ctx, runtime.SandboxName(uid), client.ContainerInspectOptions{})
	if err != nil {
		return 0, e.fault(ctx, "inspect sandbox of pod "+uid, err)
	}
	state := inspected.Container.State
	if state == nil || state.Status != container.StateRunning {
		return 0, fmt.Errorf("docker: the sandbox of pod %s: %w", uid, runtime.ErrNotRunning)
	}
	return state.Pid, nil
}
