package docker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// removedAtOnce bounds how many containers are under way to their end.
const removedAtOnce = 8

// Host is the address of the engine as it was found.
func (e *Engine) Host() string { return e.api.DaemonHost() }

// RemoveScope kills and removes every container of a cluster at an engine,
// whichever of its nodes it is of, and answers how many: for a cluster that is
// no more. Those of other clusters are not touched.
func RemoveScope(ctx context.Context, host, scope string) (int, error) {
	if scope == "" {
		return 0, errors.New("docker.RemoveScope: scope is required")
	}
	e, err := New(Config{Host: host, Node: "any", Scope: scope})
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Close() }()
	filters := client.Filters{}.Add("label", labelScope+"="+scope)
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
