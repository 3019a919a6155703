package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/undo"
	"segno/proto"
)

// maxUndone bounds how many transactions one request takes back.
const maxUndone = 1000

// undo takes transactions back.
func (c *call) undo() error {
	var asked history.UndoRequest
	if err := c.question(&asked); err != nil {
		return err
	}
	if len(asked.Seqs) > maxUndone {
		return badRequest("seqs: %d of them, at most %d are undone at once", len(asked.Seqs), maxUndone)
	}
	return c.takeBack(taking{
		consent: asked.Consent, reason: events.ReasonUndone,
		plan: func(p undo.Planner) (*undo.Plan, error) { return p.Undo(asked.Seqs, asked.Force) },
	})
}

// restore brings a namespace, or an object, back to what it was.
func (c *call) restore() error {
	var asked history.RestoreRequest
	if err := c.question(&asked); err != nil {
		return err
	}
	key, err := c.named(asked.Object)
	if err != nil {
		return err
	}
	if asked.At == "" {
		return badRequest("at: must say which moment to go back to")
	}
	moment, err := ParseMoment(asked.At, c.api.cfg.Now())
	if err != nil {
		return err
	}
	at, _, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), moment)
	if err != nil {
		return err
	}
	if at == 0 {
		return c.beforeLog(asked.At)
	}
	return c.takeBack(taking{
		consent: asked.Consent, reason: events.ReasonRestored,
		plan: func(p undo.Planner) (*undo.Plan, error) { return p.Restore(key, at, asked.Prune) },
	})
}

// named checks the name of an object that a body asks about.
func (c *call) named(o proto.Object) (proto.ObjectKey, error) {
	key := o.Key()
	kind := c.api.cfg.Table.Of(key.Resource)
	switch {
	case o.Resource == "" || o.Name == "":
		return key, badRequest("object: resource and name are required (group and namespace, where the object has them)")
	case kind == nil:
		return key, badRequest("object: resource %q: there is none of that name", key.Resource)
	case kind.Namespaced && key.Namespace == "":
		return key, badRequest("object: %s are namespaced: a namespace is required", key.Resource)
	case !kind.Namespaced:
		key.Namespace = ""
	}
	return key, nil
}

// taking is something that is to be taken back.
type taking struct {
	consent history.Consent
	reason  string
	plan    func(undo.Planner) (*undo.Plan, error)
}

// planAttempts is how often a plan is carried out anew that another write got in
// the way of: statuses change all the time, and the plan is still the same.
const planAttempts = 10

// takeBack plans, and carries the plan out when it is the one that was agreed to.
func (c *call) takeBack(t taking) error {
	question := c.target
	for attempt := 1; ; attempt++ {
		plan, err := c.planOf(t)
		if err != nil {
			return err
		}
		c.target = question
		switch {
		case t.consent.DryRun:
			return c.sendJSON(plan)
		case t.consent.Digest != "" && t.consent.Digest != plan.Digest:
			return c.stale("nothing was done: the cluster has moved on, and the plan is another one by now (%s); look at it and agree to that", plan.Digest)
		case plan.Empty():
			return c.sendJSON(plan)
		case plan.Refused != "":
			return statusText(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "this cannot be carried out: %s", plan.Refused)
		}
		t.consent.Digest = plan.Digest
		err = c.carryOut(plan, t.reason)
		switch {
		case err == nil:
			return c.sendJSON(plan)
		case len(plan.Done) > 0:
			return c.stale("only a part was done, by %v: %s; plan again for the rest", plan.Done, err)
		case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) || attempt == planAttempts:
			return err
		}
	}
}

func (c *call) stale(format string, args ...any) error {
	return statusText(http.StatusConflict, metav1.StatusReasonConflict, format, args...)
}

// planOf makes the plan, and makes sure that the user may do, and see, all of it.
func (c *call) planOf(t taking) (*undo.Plan, error) {
	kind := c.kindIn(proto.StreamEvents)
	plan, err := t.plan(undo.Planner{
		Table: c.api.cfg.Table, Now: c.api.cfg.Store.View(kind), Past: past{c: c, kind: kind}, At: c.api.cfg.Now(),
	})
	if err != nil {
		return nil, err
	}
	mentioned := plan.Objects()
	objects := slices.SortedFunc(maps.Keys(mentioned), func(a, b proto.Object) int { return cmp.Compare(a.Key().String(), b.Key().String()) })
	for _, object := range objects {
		for _, verb := range slices.Compact([]string{verbGet, mentioned[object]}) {
			if err := c.mayDo(verb, object); err != nil {
				return nil, err
			}
		}
	}
	return plan, nil
}

func (c *call) mayDo(verb string, o proto.Object) error {
	kind := c.api.cfg.Table.Of(o.Key().Resource)
	if kind == nil {
		return fmt.Errorf("authorize %s of %s: no such kind", verb, o.Key())
	}
	c.target = Target{
		Verb: verb, Group: o.Group, Version: kind.GVK.Version, Namespace: o.Namespace, Resource: o.Resource, Name: o.Name, Path: c.target.Path,
	}
	return c.authorize()
}

// carryOut submits what the plan wants, and notes in it which transactions did it.
// An undo is linked with what it takes back; a restore follows from the request
// alone: whatever was newest at the moment that it goes back to did not lead to it.
func (c *call) carryOut(plan *undo.Plan, reason string) error {
	for _, batch := range plan.Actions(newUID) {
		var action events.Action = batch
		if len(batch) == 1 {
			action = batch[0]
		}
		cmd := c.command(action, false)
		cmd.Reason = reason
		if plan.Restore == nil {
			cmd.Cause = proto.Cause{Seq: plan.Undo[0]}
		}
		out, err := c.do(c.r.Context(), cmd)
		if err != nil {
			return err
		}
		c.warn(out.Warnings...)
		if out.Seq != 0 {
			plan.Done = append(plan.Done, out.Seq)
		}
	}
	return nil
}

// past is what a plan reads of the log.
type past struct {
	c    *call
	kind *events.Kind // any of the log
}

var _ undo.Past = past{}

// At implements undo.Past.
func (p past) At(seq proto.Seq) (events.View, error) {
	return p.c.api.cfg.Store.At(p.c.r.Context(), p.kind, seq)
}

// Envelope implements undo.Past.
func (p past) Envelope(seq proto.Seq) (*proto.Envelope, error) {
	return p.c.api.cfg.History.Envelope(p.c.r.Context(), proto.StreamEvents, seq)
}

// Version implements undo.Past.
func (p past) Version(key proto.ObjectKey, last proto.Seq) (*events.Record, error) {
	kind := p.c.api.cfg.Table.Of(key.Resource)
	if kind == nil {
		return nil, nil
	}
	found, err := p.c.api.cfg.History.Revisions(p.c.r.Context(), kind, key, last, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].Record, nil
}
