package docker

import (
	"context"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"segno/agents/runtime"
)

// CreateSandbox starts a process that only waits; it holds the namespaces that
// the pod's containers share. Its network is empty until it is attached.
func (e *Engine) CreateSandbox(ctx context.Context, spec runtime.SandboxSpec) error {
	image, err := e.ensurePause(ctx)
	if err != nil {
		return err
	}
	return e.createSandbox(ctx, spec, image)
}

func (e *Engine) createSandbox(ctx context.Context, spec runtime.SandboxSpec, image string) error {
	name := runtime.SandboxName(spec.UID)
	tried := "create sandbox of pod " + spec.Namespace + "/" + spec.Name
	create := client.ContainerCreateOptions{
		Name:       name,
		Config:     &container.Config{Image: image, Hostname: sandboxHostname(spec), Labels: e.sandboxLabels(spec)},
		HostConfig: e.sandboxHost(spec),
	}
	tookDetour := spec.HostNetwork && e.otherNetwork.Load()
	if tookDetour {
		detour(&create)
	}
	_, err := e.api.ContainerCreate(ctx, create)
	if cerrdefs.IsNotFound(err) {
		e.forgetPause()
	}
	if err != nil && !cerrdefs.IsConflict(err) { // a conflict is an earlier try of ours
		return e.fault(ctx, tried, err)
	}
	if _, err := e.api.ContainerStart(ctx, name, client.ContainerStartOptions{}); err != nil {
		return e.fault(ctx, tried, err)
	}
	if spec.HostNetwork {
		return e.checkHostNetwork(ctx, spec, image, tookDetour)
	}
	return nil
}

// sandboxHostname: with the host's network, the host's name.
func sandboxHostname(spec runtime.SandboxSpec) string {
	if spec.HostNetwork {
		return ""
	}
	return spec.Hostname
}

func (e *Engine) sandboxHost(spec runtime.SandboxSpec) *container.HostConfig {
	host := &container.HostConfig{
		NetworkMode: "none",
		IpcMode:     "shareable",
		LogConfig:   container.LogConfig{Type: "none"},
		Resources:   container.Resources{CPUShares: 2},
		OomScoreAdj: max(e.oom, -998), // it goes last: everything in the pod hangs on it
		// As little as a process that only waits can do with.
		CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"}, ReadonlyRootfs: true,
	}
	if spec.HostNetwork {
		host.NetworkMode = "host"
	} else if spec.Address.IsValid() {
		host.ExtraHosts = append(host.ExtraHosts, spec.Hostname+":"+spec.Address.String())
		if spec.Second.IsValid() {
			host.ExtraHosts = append(host.ExtraHosts, spec.Hostname+":"+spec.Second.String())
		}
	}
	if spec.HostIPC {
		host.IpcMode = "host"
	}
	if spec.HostPID {
		host.PidMode = "host"
	}
	for _, h := range spec.Hosts {
		host.ExtraHosts = append(host.ExtraHosts, h.Name+":"+h.Address)
	}
	return host
}

// RemoveSandbox removes the waiting process.
func (e *Engine) RemoveSandbox(ctx context.Context, uid string) error {
	return e.remove(ctx, runtime.SandboxName(uid))
}

func (e *Engine) remove(ctx context.Context, name string) error {
	_, err := e.api.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	switch {
	case err == nil, cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress"):
		return nil
	default:
		return e.fault(ctx, "remove container "+name, err)
	}
}
