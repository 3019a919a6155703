package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// removedAtOnce bounds how many containers are under way to their end.
const removedAtOnce = 8

// Host is the address of the engine as it was found.
func (e *Engine) Host() string { return e.api.DaemonHost() }

// DefaultHost is the address of the engine that a Config without a Host means; ""
// when DOCKER_HOST is none.
func DefaultHost() string {
	api, err := client.New(client.FromEnv)
	if err != nil {
		return ""
	}
	defer func() { _ = api.Close() }() // it has no connection
	return api.DaemonHost()
}

// Held names the pods, as namespace/name, that this node has containers of at
// the engine.
func (e *Engine) Held(ctx context.Context) ([]string, error) {
	found, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: e.owned()})
	if err != nil {
		return nil, e.fault(ctx, "list the node's containers", err)
	}
	pods := make([]string, 0, len(found.Items))
	for i := range found.Items {
		labels := found.Items[i].Labels
		pods = append(pods, labels[labelNamespace]+"/"+labels[labelPod])
	}
	slices.Sort(pods)
	return slices.Compact(pods), nil
}

// RemoveScope kills and removes every container of a cluster at an engine, those
// of one node or, when it is "", of all, and answers how many: for a cluster or a
// node that is no more. Those of other clusters are not touched.
func RemoveScope(ctx context.Context, host, scope, node string) (int, error) {
	if scope == "" {
		return 0, errors.New("docker.RemoveScope: scope is required")
	}
	e, err := New(Config{Host: host, Node: "any", Scope: scope})
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Close() }()
	labels := []string{labelScope + "=" + scope}
	if node != "" {
		labels = append(labels, labelNode+"="+node)
	}
	filters := client.Filters{}.Add("label", labels...)
	found, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return 0, e.fault(ctx, "list the cluster's containers", err)
	}
	var removed atomic.Int64
	var group errgroup.Group
	group.SetLimit(removedAtOnce)
	for i := range found.Items {
		group.Go(func() error {
			err := e.remove(ctx, found.Items[i].ID)
			if err == nil {
				removed.Add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return int(removed.Load()), fmt.Errorf("%d of %d containers are left: %w", len(found.Items)-int(removed.Load()), len(found.Items), err)
	}
	return len(found.Items), nil
}
