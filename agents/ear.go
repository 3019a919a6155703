package agents

import (
	"context"
	"fmt"
	"sync/atomic"

	"segno/proto"
)

// ear takes what a feed tells, in order: each message once, and everything when
// one was missed.
type ear struct {
	feed    Feed
	all     func(context.Context, proto.Want)
	one     func(context.Context, *proto.WantPod)
	counter atomic.Uint64 // of the newest Want that was applied
}

// relayed applies the next Want, and asks for everything when one is missing.
func (e *ear) relayed(ctx context.Context, want proto.Want) error {
	newest := e.counter.Load()
	switch {
	case want.Full:
		e.takeAll(ctx, want)
		return nil
	case want.Counter <= newest:
		return nil
	case want.Counter > newest+1 || len(want.Pods) == 0: // which only says how far others are
		return e.sync(ctx)
	}
	for i := range want.Pods {
		e.one(ctx, &want.Pods[i])
	}
	e.counter.Store(want.Counter)
	return nil
}

func (e *ear) sync(ctx context.Context) error {
	all, err := e.feed.Sync(ctx)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	e.takeAll(ctx, all)
	return nil
}

func (e *ear) takeAll(ctx context.Context, all proto.Want) {
	e.all(ctx, all)
	e.counter.Store(all.Counter)
}
