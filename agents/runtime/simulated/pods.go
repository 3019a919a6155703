package simulated

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"segno/agents/runtime"
)

type pod struct {
	namespace, name, uid string
	sandbox              *runtime.Sandbox
	containers           []*container
}

type container struct {
	runtime.Container
	script Script
	ends   *time.Timer   // the exit it is scripted for
	due    time.Time     // the same, on a clock that somebody else moves on
	done   chan struct{} // made by who waits for the end; nil when nobody does
	lines  []line
}

// view copies the pod: what leaves the engine never changes.
func (p *pod) view() runtime.Pod {
	out := runtime.Pod{Namespace: p.namespace, Name: p.name, UID: p.uid}
	if p.sandbox != nil {
		sandbox := *p.sandbox
		out.Sandbox = &sandbox
	}
	for _, c := range p.containers {
		out.Containers = append(out.Containers, c.Container)
	}
	return out
}

// List answers the pods in the order of their UIDs.
func (e *Engine) List(context.Context) ([]runtime.Pod, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("list pods"); err != nil {
		return nil, err
	}
	out := make([]runtime.Pod, 0, len(e.pods))
	for _, p := range e.pods {
		out = append(out, p.view())
	}
	slices.SortFunc(out, func(a, b runtime.Pod) int { return strings.Compare(a.UID, b.UID) })
	return out, nil
}

// Inspect answers one pod.
func (e *Engine) Inspect(_ context.Context, uid string) (runtime.Pod, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("inspect pod " + uid); err != nil {
		return runtime.Pod{}, err
	}
	if p := e.pods[uid]; p != nil {
		return p.view(), nil
	}
	return runtime.Pod{}, nil
}

// CreateSandbox makes a sandbox that runs until it is removed.
func (e *Engine) CreateSandbox(_ context.Context, spec runtime.SandboxSpec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("create sandbox of pod " + spec.Name); err != nil {
		return err
	}
	p := e.pods[spec.UID]
	if p == nil {
		p = &pod{namespace: spec.Namespace, name: spec.Name, uid: spec.UID}
		e.pods[spec.UID] = p
	}
	if p.sandbox != nil && p.sandbox.State == runtime.Running {
		return nil
	}
	p.sandbox = &runtime.Sandbox{
		ID: e.id(), Attempt: spec.Attempt, State: runtime.Running, HostNetwork: spec.HostNetwork,
		Address: spec.Address, Second: spec.Second, CreatedAt: e.now(),
	}
	return nil
}

// RemoveSandbox forgets the sandbox; containers in it die, as theirs would.
func (e *Engine) RemoveSandbox(_ context.Context, uid string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.answers("remove sandbox of pod " + uid); err != nil {
		return err
	}
	if p := e.pods[uid]; p != nil {
		p.sandbox = nil
		e.forget(p)
	}
	return nil
}

// BreakSandbox kills a sandbox from outside, as a person at the engine would.
func (e *Engine) BreakSandbox(uid string) {
	e.mu.Lock()
	if p := e.pods[uid]; p != nil && p.sandbox != nil {
		p.sandbox.State = runtime.Exited
	}
	e.mu.Unlock()
	e.tell(uid)
}

func (e *Engine) forget(p *pod) {
	if p.sandbox == nil && len(p.containers) == 0 {
		delete(e.pods, p.uid)
	}
}

// id is called with the lock held.
func (e *Engine) id() string {
	e.nextPID++
	return fmt.Sprintf("%064x", e.nextPID)
}

// find is called with the lock held.
func (e *Engine) find(ref runtime.Ref) *container {
	p := e.pods[ref.UID]
	if p == nil {
		return nil
	}
	for _, c := range p.containers {
		if c.Ref == ref {
			return c
		}
	}
	return nil
}
