package pod

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"segno/agents/probe"
	"segno/agents/runtime"
)

// watching is the probes of one running container.
type watching struct {
	stop   context.CancelFunc
	health Health
}

// watchHealth ends the probes of containers that do not run, takes over what
// the others found, and answers those that are to start: a probe may fail at
// once, and that the container started has to be told before.
func (k *Keeper) watchHealth(ctx context.Context, l *life, want Want) (starts []func()) {
	if want.Pod == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	running := map[string]bool{}
	for _, list := range [][]corev1.Container{want.Pod.Spec.InitContainers, want.Pod.Spec.Containers} {
		for i := range list {
			c := &list[i]
			latest, there := l.state.Runtime.Latest(c.Name)
			if !there || latest.State != runtime.Running || (c.StartupProbe == nil && c.ReadinessProbe == nil && c.LivenessProbe == nil) {
				continue
			}
			running[latest.ID] = true
			if l.probes[latest.ID] == nil && !want.ending() {
				if start := k.newProbes(ctx, l, want, c, latest); start != nil {
					starts = append(starts, start)
				}
			}
		}
	}
	clear(l.state.Memory.Health)
	for id, w := range l.probes {
		if !running[id] || want.ending() {
			w.stop()
		}
		if !running[id] {
			delete(l.probes, id)
			continue
		}
		l.state.Memory.Health[id] = w.health
	}
	return starts
}

// newProbes is called with the keeper's lock held; what it answers is not.
func (k *Keeper) newProbes(ctx context.Context, l *life, want Want, c *corev1.Container, latest runtime.Container) (start func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{stop: cancel}
	if l.probes == nil {
		l.probes = map[string]*watching{}
	}
	l.probes[latest.ID] = w
	if prev, known := told(l.state, c.Name); known && prev.ContainerID == latest.ID { // an earlier agent's finding
		w.health = Health{Started: prev.Started != nil && *prev.Started, Ready: prev.Ready}
	}
	if k.cfg.AlwaysHealthy {
		sick := k.cfg.Unready != nil && k.cfg.Unready(latest)
		w.health = Health{Started: true, Ready: !sick}
		return nil
	}
	address := k.cfg.Node.Address.String()
	if s := l.state.Runtime.Sandbox; s != nil && !s.HostNetwork {
		address = s.Address.String()
	}
	p := &prober{
		spec: c, since: latest.StartedAt, started: w.health.Started,
		target: probe.Target{Address: address, Ports: c.Ports, Ref: latest.Ref, Runtime: k.cfg.Runtime},
		found: func(change func(*Health)) {
			k.mu.Lock()
			defer k.mu.Unlock()
			before := w.health
			if change(&w.health); w.health != before && ctx.Err() == nil {
				k.enqueue(l)
			}
		},
		unwell: func(probe string, err error) { k.cfg.Note(unhealthy(want.Pod, c.Name, probe, err, time.Now())) },
	}
	return func() {
		k.probing.Go(func() {
			defer cancel()
			p.run(ctx)
		})
	}
}

// prober runs the probes of one container until it is told to stop, or one
// says that the container must be restarted.
type prober struct {
	spec    *corev1.Container
	since   time.Time
	started bool // an earlier agent found so
	target  probe.Target
	found   func(change func(*Health))
	unwell  func(probe string, err error) // each time that one fails
}

// The probes, as messages call them.
const (
	startupProbe   = "Startup"
	readinessProbe = "Readiness"
	livenessProbe  = "Liveness"
)

func (p *prober) run(ctx context.Context) {
	if !p.startup(ctx) {
		return
	}
	p.found(func(h *Health) { h.Started = true })
	var both sync.WaitGroup
	if p.spec.ReadinessProbe != nil {
		both.Go(func() {
			p.loop(ctx, readinessProbe, p.spec.ReadinessProbe, func(err error) (more bool) {
				p.found(func(h *Health) { h.Ready = err == nil })
				return true
			})
		})
	}
	if p.spec.LivenessProbe != nil {
		both.Go(func() {
			p.loop(ctx, livenessProbe, p.spec.LivenessProbe, func(err error) (more bool) {
				if err != nil {
					p.failed(livenessProbe, err)
				}
				return err == nil
			})
		})
	}
	both.Wait()
}

// startup answers true once the startup probe, if any, has succeeded.
func (p *prober) startup(ctx context.Context) (up bool) {
	if p.spec.StartupProbe == nil || p.started {
		return true
	}
	p.loop(ctx, startupProbe, p.spec.StartupProbe, func(err error) (more bool) {
		if up = err == nil; !up {
			p.failed(startupProbe, err)
		}
		return false
	})
	return up
}

func (p *prober) failed(which string, err error) {
	p.found(func(h *Health) { h.Failed = fmt.Sprintf("%s probe failed: %v", which, err) })
}

// loop asks again and again, and says what it finds each time that enough
// answers in a row agree.
func (p *prober) loop(ctx context.Context, which string, spec *corev1.Probe, verdict func(error) (more bool)) {
	const usualPeriod, usualFailures = 10, 3
	period := seconds(int64(orElse(spec.PeriodSeconds, usualPeriod)))
	next := p.since.Add(seconds(int64(spec.InitialDelaySeconds)))
	good, bad := 0, 0
	for {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		next = time.Now().Add(period)
		err := probe.Once(ctx, p.target, spec)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
			p.unwell(which, err)
		}
		if good >= int(orElse(spec.SuccessThreshold, 1)) || bad >= int(orElse(spec.FailureThreshold, usualFailures)) {
			if !verdict(err) {
				return
			}
		}
	}
}

func orElse(n, usual int32) int32 {
	if n > 0 {
		return n
	}
	return usual
}
