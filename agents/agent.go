package agents

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"golang.org/x/sync/errgroup"

	"segno/agents/disk"
	"segno/agents/ingress"
	"segno/agents/outbox"
	"segno/agents/pod"
	"segno/agents/policy"
	"segno/agents/server"
	"segno/agents/services"
	"segno/proto"
)

// Agent is one node.
type Agent struct {
	cfg    Config
	info   facts  // about machine and engine; the engine's version may change
	unlock func() // gives StateDir to the next agent
	pods   *pod.Keeper
	outbox *outbox.Outbox
	wanted disk.Folder // what should run, a record a pod
	told   disk.Folder // their newest status: where a restarted agent goes on
	self   disk.Folder // the Node object as it last was

	own      ear     // hears what this node should run
	shared   *shared // hears what all nodes know; nil does not
	serving  *services.Services
	entry    entry
	policies *policy.Enforcer // nil holds pods to nothing
	cabled   chan struct{}    // closed once pods can have their network, or never will
	behind   chan struct{}    // a Want was missed: sync
	changed  chan struct{}    // the node's health changed: tell
	moved    chan struct{}    // the node may have another range of pods, or zone: Services depend on them

	answered atomic.Pointer[time.Time] // when the control plane last answered; nil is not yet

	reporting sync.Mutex // held from reading the node's status until it is in the outbox; taken before mu

	mu         sync.Mutex
	node       *corev1.Node // as the control plane last answered; nil before
	registered bool         // by this agent: node is not only what an earlier one kept
	recalled   bool         // what the node said before this agent is known
	former     *corev1.Node // as it was before this agent, where nothing was kept of it
	health     health
	wired      sync.Once              // closes cabled
	noted      corev1.ConditionStatus // the node's readiness that people were told of
	served     services.Status        // that people were told of
	lax        string                 // why policies do not hold, that people were told of
	reached    ingress.Status         // the same of ingress
}

// New answers an agent that knows what an earlier one on the same StateDir
// knew. From here to the end of its Run nobody else may use that folder.
func New(cfg Config) (*Agent, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	unlock, err := disk.Lock(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("agent of node %s: %w", cfg.Node, err)
	}
	a := &Agent{cfg: cfg, unlock: unlock, cabled: make(chan struct{}), behind: make(chan struct{}, 1), changed: make(chan struct{}, 1), moved: make(chan struct{}, 1)}
	a.own.feed, a.own.all, a.own.one = cfg.Link, a.applyAll, a.applyOne
	if err := a.assemble(); err != nil {
		a.shared.close()
		unlock()
		return nil, fmt.Errorf("agent of node %s: %w", cfg.Node, err)
	}
	return a, nil
}

// assemble makes the parts, and reads what an earlier agent kept.
func (a *Agent) assemble() (err error) {
	cfg := &a.cfg
	for name, folder := range map[string]*disk.Folder{"pods": &a.wanted, "told": &a.told, "node": &a.self} {
		if *folder, err = disk.Open(cfg.below(name)); err != nil {
			return err
		}
	}
	a.outbox, err = outbox.New(outbox.Config{
		Dir: cfg.below("outbox"), Send: cfg.Link.Report, Logger: cfg.Logger, Refused: a.refused,
	})
	if err != nil {
		return err
	}
	if a.shared, err = newShared(cfg); err != nil {
		return err
	}
	if err = errors.Join(a.assembleServices(), a.assembleEntry()); err != nil {
		return err
	}
	if err = a.assemblePolicies(); err != nil {
		return err
	}
	a.info = readFacts(&a.cfg)
	a.health = startingHealth(&a.info)
	a.health.serves = a.serving != nil
	var held pod.Isolate
	if a.policies != nil {
		held = isolate{a.policies}
	}
	a.pods, err = pod.New(pod.Config{
		Isolate: held,
		Node:    pod.Node{Name: cfg.Node, Address: cfg.Address, Memory: a.info.capacity.Memory().Value(), Given: a.apiVariables},
		Runtime: cfg.Runtime, Network: cfg.Network, VolumeDir: cfg.below("volumes"), DNS: cfg.DNS, Concurrency: cfg.Concurrency,
		AlwaysHealthy: a.info.simulated,
		Tell:          a.tell, Note: a.outbox.Note, Forget: a.forget, Observe: cfg.Observe, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	if err = a.remember(); err != nil {
		return err
	}
	if a.cfg.Ingress != nil && a.entry.chosen.Load() {
		a.health.entry, a.health.assumed = ingress.Idle(), true
	}
	return nil
}

// Run keeps the node until ctx ends, once. Its containers go on without it.
func (a *Agent) Run(ctx context.Context) error {
	defer a.unlock()
	defer a.shared.close()
	if err := a.run(ctx); ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// run ends with its first part that does.
func (a *Agent) run(ctx context.Context) error {
	a.setUpNetwork(ctx) // of an earlier agent's CIDR, before its pods are looked at
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.pods.Run(ctx) })
	group.Go(func() error { return a.outbox.Run(ctx) })
	group.Go(func() error { return a.watchEngine(ctx) })
	group.Go(func() error { return a.follow(ctx) })
	group.Go(func() error { return a.beat(ctx) })
	if a.shared != nil {
		group.Go(func() error {
			return a.keepOn(ctx, "nothing new is known of Services; traffic goes as before", a.shared.followOnce)
		})
		if router, can := a.cfg.Network.(Router); can {
			group.Go(func() error { return a.route(ctx, router) })
		}
	}
	if a.policies != nil {
		group.Go(func() error { return a.police(ctx) })
	}
	if a.serving != nil {
		group.Go(func() error { return a.serve(ctx) })
	}
	if a.cfg.Ingress != nil {
		group.Go(func() error { return a.enter(ctx) })
	}
	if a.cfg.Listener != nil {
		group.Go(func() error {
			return server.Run(ctx, server.Config{
				Listener: a.cfg.Listener, Pods: a.pods, Runtime: a.cfg.Runtime, Dial: a.cfg.Network.Dial, Logger: a.cfg.Logger,
			})
		})
	}
	return group.Wait()
}

// tell hands the status of a pod or of the node to the outbox. A pod's newest
// one is also kept for the next agent.
func (a *Agent) tell(item proto.ReportItem) {
	err := a.outbox.Put(item)
	if item.Key.Resource != nodes && !item.Ended {
		err = errors.Join(err, a.told.Put(item.UID, item.Status))
	}
	if err != nil {
		a.cfg.Logger.Error("a status is not durable on this node", "object", item.Key.String(), "error", err)
	}
}

func (a *Agent) refused(item proto.ReportItem, why string) {
	a.cfg.Logger.Error("the control plane refused a status", "object", item.Key.String(), "reason", item.Reason, "error", why)
}

// forget drops what is kept of a pod of which nothing is left.
func (a *Agent) forget(uid string) {
	if err := errors.Join(a.wanted.Remove(uid), a.told.Remove(uid)); err != nil {
		a.cfg.Logger.Error("a pod that ended is still kept", "uid", uid, "error", err)
	}
}
