package runtimetest

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"segno/agents/runtime"
)

// Harness is an engine under test.
type Harness struct {
	Runtime runtime.Runtime
	// Again answers a second runtime over the same engine, as an agent that
	// was restarted would make.
	Again func(t *testing.T) runtime.Runtime
	// Program turns a behaviour into an image, command or annotation.
	Program func(b Behaviour, spec *runtime.ContainerSpec)
	// MissingImage is one that the engine neither has nor can get.
	MissingImage string
}

// Behaviour is what a container of a test does.
type Behaviour struct {
	Log        string        // written first, a line
	RunFor     time.Duration // then it exits with ExitCode; 0 is at once
	ExitCode   int
	Forever    bool // it runs until it is stopped, and then exits with 143
	IgnoreTerm bool // with Forever: only KILL ends it
	OOM        bool // it takes more memory than it may
}

// bench is one pod of a test.
type bench struct {
	*testing.T
	h   *Harness
	uid string
}

var pods atomic.Int64

func newBench(t *testing.T, h *Harness) *bench {
	b := &bench{T: t, h: h, uid: fmt.Sprintf("test-%d-%d", time.Now().UnixNano(), pods.Add(1))}
	t.Cleanup(b.sweep)
	return b
}

// sweep removes what the test left, whatever became of it.
func (b *bench) sweep() {
	ctx := context.WithoutCancel(b.Context())
	have, err := b.h.Runtime.Inspect(ctx, b.uid)
	if err != nil {
		b.Errorf("sweep: %v", err)
		return
	}
	for _, c := range have.Containers {
		b.must(b.h.Runtime.RemoveContainer(ctx, c.Ref))
	}
	b.must(b.h.Runtime.RemoveSandbox(ctx, b.uid))
	if left, err := b.h.Runtime.Inspect(ctx, b.uid); err != nil || !left.Empty() {
		b.Errorf("left behind: %+v, %v", left, err)
	}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sandboxSpec() runtime.SandboxSpec {
	return runtime.SandboxSpec{
		Namespace: "default", Name: "pod-" + b.uid, UID: b.uid, Attempt: 3,
		Hostname: "pod", Address: netip.MustParseAddr("10.99.0.7"),
	}
}

func (b *bench) sandbox() {
	b.Helper()
	b.must(b.h.Runtime.CreateSandbox(b.Context(), b.sandboxSpec()))
}

// spec is a container of this pod that behaves as asked.
func (b *bench) spec(name string, attempt int, behaviour Behaviour) runtime.ContainerSpec {
	spec := runtime.ContainerSpec{
		Ref:       runtime.Ref{UID: b.uid, Container: name, Attempt: attempt},
		Namespace: "default", Name: "pod-" + b.uid, Sandbox: 3, Streak: 2, Seq: 41,
	}
	b.h.Program(behaviour, &spec)
	return spec
}

// run creates and starts a container.
func (b *bench) run(name string, attempt int, behaviour Behaviour) runtime.Ref {
	b.Helper()
	spec := b.spec(name, attempt, behaviour)
	b.must(b.h.Runtime.CreateContainer(b.Context(), spec))
	b.must(b.h.Runtime.StartContainer(b.Context(), spec.Ref))
	return spec.Ref
}

func (b *bench) get(ref runtime.Ref) runtime.Container {
	b.Helper()
	have, err := b.h.Runtime.Inspect(b.Context(), b.uid)
	b.must(err)
	c, there := have.Attempt(ref.Container, ref.Attempt)
	if !there {
		b.Fatalf("container %s is not there: %+v", ref, have)
	}
	return c
}

// ended waits for the end of a container as the agent does: by Watch.
func (b *bench) ended(ref runtime.Ref) runtime.Container {
	b.Helper()
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	hints := make(chan struct{}, 1)
	lost := make(chan error, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		lost <- b.h.Runtime.Watch(ctx, func(uid string) {
			if uid == "" || uid == b.uid {
				select {
				case hints <- struct{}{}:
				default:
				}
			}
		})
	})
	defer watching.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			b.Fatalf("container %s did not end within %s: %+v", ref, patience, b.get(ref))
		case err := <-lost:
			b.Fatalf("watch: %v", err)
		case <-hints:
		}
		if c := b.get(ref); c.State == runtime.Exited {
			return c
		}
	}
}
