package cluster

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"segno/agents/proxy"
	"segno/agents/proxy/nftables"
)

// nothing is a plane that does nothing.
type nothing struct{}

func (nothing) Sync(context.Context, proxy.State) (proxy.Failures, error)  { return nil, nil }
func (nothing) Set(context.Context, []proxy.Rules) (proxy.Failures, error) { return nil, nil }
func (nothing) Remove(context.Context) error                               { return nil }
func (nothing) Run(ctx context.Context) error                              { <-ctx.Done(); return ctx.Err() }

// ear is a plane that says when it did what it was told of the Service probe.
type ear struct {
	proxy.Plane
	node  int
	heard chan<- heard
}

func (e *ear) Sync(ctx context.Context, state proxy.State) (proxy.Failures, error) {
	failed, err := e.Plane.Sync(ctx, state)
	return failed, e.say(ctx, state.Services, err)
}

func (e *ear) Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	failed, err := e.Plane.Set(ctx, changed)
	return failed, e.say(ctx, changed, err)
}

func (e *ear) say(ctx context.Context, rules []proxy.Rules, err error) error {
	at := time.Now()
	for i := range rules {
		r := &rules[i]
		if err != nil || r.Service.Name != "probe" || len(r.Frontends) == 0 || len(r.Frontends[0].Inside.Backends) == 0 {
			continue
		}
		select {
		case e.heard <- heard{e.node, at, r.Frontends[0].Inside.Backends[0].Address.Addr().String()}:
		case <-ctx.Done():
		}
	}
	return err
}

// secluded is nftables on a thread of its own, which is in a network namespace of
// its own.
type secluded struct {
	nothing
	do    chan func()
	plane *nftables.Plane
}

// newSecluded answers a plane that does nothing where there can be no other.
func newSecluded(b *testing.B) proxy.Plane {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Log("without root the first node's plane does nothing, too")
		return nothing{}
	}
	a := &secluded{do: make(chan func())}
	b.Cleanup(func() { close(a.do) })
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes, and the namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			a.plane, err = nftables.New(nftables.Config{})
		}
		made <- err
		if err != nil {
			return
		}
		for do := range a.do {
			do()
		}
	}()
	if err := <-made; err != nil {
		b.Logf("the first node's plane does nothing, too: %v", err)
		return nothing{}
	}
	return a
}

// there runs a method of the plane in the namespace.
func (a *secluded) there(method func() (proxy.Failures, error)) (failed proxy.Failures, err error) {
	done := make(chan struct{})
	a.do <- func() { defer close(done); failed, err = method() }
	<-done
	return failed, err
}

func (a *secluded) Sync(ctx context.Context, state proxy.State) (proxy.Failures, error) {
	return a.there(func() (proxy.Failures, error) { return a.plane.Sync(ctx, state) })
}

func (a *secluded) Set(ctx context.Context, changed []proxy.Rules) (proxy.Failures, error) {
	return a.there(func() (proxy.Failures, error) { return a.plane.Set(ctx, changed) })
}
