package cluster

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// floor is a part of the cluster that others stand on: it goes on until they
// have ended, and when it falls they cannot stay.
type floor struct {
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // the floor is the lifetime of what runs on it
	stop  context.CancelFunc
}

func newFloor(ctx context.Context) floor {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, ctx := errgroup.WithContext(ctx)
	return floor{group: group, ctx: ctx, stop: stop}
}

func (f floor) run(part func(context.Context) error) {
	f.group.Go(func() error { return part(f.ctx) })
}

func (f floor) end() error {
	f.stop()
	return f.group.Wait()
}

// floors are the server of the bus, and on it the doors of the logs: what was
// decided is still appended and answered while all others stop.
type floors struct{ server, doors floor }

// watch ends with an error when a floor falls.
func (f floors) watch(ctx context.Context) error {
	select {
	case <-f.server.ctx.Done():
		return errors.New("the bus has stopped")
	case <-f.doors.ctx.Done():
		return errors.New("a log has stopped")
	case <-ctx.Done():
		return nil
	}
}

// end ends the floors from the top and answers the deepest cause.
func (f floors) end() error {
	doors := f.doors.end()
	if server := f.server.end(); server != nil {
		return server
	}
	return doors
}
