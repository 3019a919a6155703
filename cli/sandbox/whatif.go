package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api"
	"segno/cli/api/history"
	"segno/events"
	"segno/projections"
	"segno/proto"
	"segno/reconcilers/nodelife"
)

// mostSteps bounds the answer to a what-if.
const mostSteps = 10_000

// together is how many questions are played through side by side: each holds a
// whole cluster in memory.
const together = 2

// Oracle answers what-ifs: for each it makes a sandbox, plays it through, and
// throws it away.
type Oracle struct {
	table *events.Table
	folds map[string]*projections.Projection
	log   *slog.Logger
	slots chan struct{}
}

var _ api.Supposer = (*Oracle)(nil)

// NewOracle makes one over the logs of a cluster.
func NewOracle(table *events.Table, folds map[string]*projections.Projection, log *slog.Logger) *Oracle {
	return &Oracle{table: table, folds: folds, log: log, slots: make(chan struct{}, together)}
}

// Suppose implements api.Supposer.
func (o *Oracle) Suppose(ctx context.Context, asked api.Supposition) (history.WhatIf, error) {
	out := history.WhatIf{At: asked.Seq, Time: asked.Time, For: asked.For.String()}
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-ctx.Done():
		return out, ctx.Err()
	}
	s, err := New(ctx, Config{From: Source{Table: o.table, Folds: o.folds, Seq: asked.Seq, Time: asked.Time}, Log: o.log})
	if err != nil {
		return out, err
	}
	defer s.Close()
	before, err := stateOf(o.table, s.View())
	if err != nil {
		return out, err
	}
	if out.Warnings, err = s.suppose(ctx, asked); err != nil {
		return out, err
	}
	if err := s.Advance(ctx, asked.For); err != nil {
		return out, err
	}
	if out.Steps, out.More, err = s.steps(ctx); err != nil {
		return out, err
	}
	after, err := stateOf(o.table, s.View())
	if err != nil {
		return out, err
	}
	compare(before, after, &out)
	out.Held, err = nodelife.Held(s.View(), s.Now())
	return out, err
}

// suppose makes true what the question supposes.
func (s *Sandbox) suppose(ctx context.Context, asked api.Supposition) (warnings []string, err error) {
	for _, name := range asked.Gone {
		if !s.Silence(name) {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("remove node %q: there was none of that name then; there was %s", name, s.nodeNames()))
		}
	}
	for _, one := range asked.Objects {
		out, err := s.apply(ctx, one.Kind, one.Object, one.Manifest, events.Command{
			Actor: asked.Actor, Via: asked.Via, Manager: "kubectl-client-side-apply",
			Cause: proto.Cause{Request: "supposed"}, Correlation: "supposed",
		})
		if err != nil {
			return nil, fmt.Errorf("apply %s: %w", one.Kind.KeyOf(one.Object), err)
		}
		warnings = append(warnings, out.Warnings...)
	}
	return warnings, nil
}

func (s *Sandbox) nodeNames() string {
	if len(s.nodes.list) == 0 {
		return "none at all"
	}
	var names []string
	for _, n := range s.nodes.list {
		names = append(names, string(n.Name()))
	}
	return strings.Join(names, ", ")
}

// steps is what happened in a sandbox since it began.
func (s *Sandbox) steps(ctx context.Context) (steps []history.Supposed, more bool, err error) {
	steps = []history.Supposed{}
	for env, err := range s.truth().Events(ctx, s.point.Seq+1, projections.Newest) {
		if err != nil {
			return nil, false, fmt.Errorf("read what happened in a sandbox: %w", err)
		}
		if len(steps) == mostSteps {
			return steps, true, nil
		}
		steps = append(steps, history.Supposed{
			After: env.At.Sub(s.begun).Truncate(time.Millisecond).String(), Transaction: history.Of(proto.StreamEvents, env, nil),
		})
	}
	return steps, false, nil
}
