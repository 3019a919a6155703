package sandbox

import (
	"context"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/proto"
)

// fork is a sandbox with a name, a door, and a clock that may run.
type fork struct {
	name    string
	group   string // of its own credential; never used again
	user    string
	virtual bool
	made    time.Time // by the clock on the wall
	*Sandbox
	handler http.Handler
	life    context.Context //nolint:containedctx // ends when the fork is removed
	end     context.CancelFunc

	// Guarded by the lock of Forks.
	ahead   time.Duration // that its clock was advanced by
	trouble error
}

// everyone is who has come through the door: it asks who that is.
type everyone struct{}

// Authorize implements api.Authorizer.
func (everyone) Authorize(context.Context, api.User, api.Target) (bool, string, error) {
	return true, "", nil
}

// serveAPI makes the API of the fork. It has no way to the cluster that the fork
// comes from.
func (f *fork) serveAPI(cfg ForksConfig) error {
	handler, err := api.New(api.Config{
		Table: f.table, Store: f.logs, History: f.logs, Exporter: f.logs, Finder: f.logs,
		Supposer:   since{point: f.point.Seq, before: NewOracle(f.table, cfg.Folds, cfg.Log), own: NewOracle(f.table, f.folds, cfg.Log)},
		Authorizer: everyone{}, Version: cfg.Version, Log: cfg.Log, Now: f.Now,
	})
	f.handler = handler
	return err
}

// since answers what-ifs of a fork: moments before it began are its parent's.
type since struct {
	point       proto.Seq
	before, own *Oracle
}

// Suppose implements api.Supposer.
func (s since) Suppose(ctx context.Context, asked api.Supposition) (history.WhatIf, error) {
	if asked.Seq < s.point {
		return s.before.Suppose(ctx, asked)
	}
	return s.own.Suppose(ctx, asked)
}

// door is where the fork is asked.
func (f *fork) door() api.ForkDoor {
	return api.ForkDoor{API: f.handler, Group: f.group, Log: f.logs, At: f.point.Seq, Now: f.Now()}
}

// show is the fork as people see it; called with the lock of Forks held.
func (f *fork) show() history.Fork {
	out := history.Fork{
		Name: f.name, At: f.point.Seq, Begun: f.begun, Now: f.Now(), Virtual: f.virtual, Made: f.made, Seq: f.truth().Position().Seq,
		Nodes: int(f.count.Load()), Path: "/fork/" + f.name, User: f.user,
	}
	if f.trouble != nil {
		out.Trouble = f.trouble.Error()
	}
	return out
}

// due is what the fork's clock should show; called with the lock of Forks held.
func (f *fork) due(wall time.Time) time.Time {
	at := f.begun.Add(f.ahead)
	if !f.virtual {
		at = at.Add(wall.Sub(f.made))
	}
	return at
}

// during ends with the fork as well as with ctx.
func (f *fork) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(f.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// forkResource is what forks are to those who ask for one.
var forkResource = schema.GroupResource{Group: "history.segno", Resource: "forks"}
