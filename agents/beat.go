package agents

import (
	"context"
	"time"
)

// beat says regularly that the node lives, and tells its status when it
// changed. (When it did not, registering again tells it now and then.)
func (a *Agent) beat(ctx context.Context) error {
	beats := time.NewTicker(a.cfg.HeartbeatPeriod)
	defer beats.Stop()
	var before counters
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.changed:
			a.report()
			continue
		case <-beats.C:
		}
		before = a.beatOnce(ctx, before)
		if pressure, err := a.info.machine.Pressure(); err == nil {
			a.changeHealth(func(h *health) { h.pressure = pressure })
		}
		a.setUpNetwork(ctx)
	}
}

// counters are of Wants: the newest that was relayed, and that was applied.
type counters struct{ relayed, applied uint64 }

// beatOnce also finds a Want that was lost without a trace: a beat ago it had
// been relayed and it still is not here; or a control plane that counts anew.
func (a *Agent) beatOnce(ctx context.Context, before counters) counters {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.HeartbeatPeriod)
	defer cancel()
	relayed, err := a.cfg.Link.Beat(ctx)
	if err != nil {
		a.cfg.Logger.Debug("heartbeat", "error", err)
		return before
	}
	a.heardOf()
	is := counters{relayed, a.own.counter.Load()}
	if relayed != 0 && (before.relayed > is.applied || is.relayed < before.applied) {
		notify(a.behind)
	}
	return is
}
