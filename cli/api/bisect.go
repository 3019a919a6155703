package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"segno/cli/api/history"
	"segno/events"
	"segno/events/bisect"
	"segno/events/condition"
	"segno/proto"
)

// Finder searches the EVENTS log.
type Finder interface {
	// Find looks for the transaction at which a condition became true.
	Find(ctx context.Context, s bisect.Search) (bisect.Answer, error)
}

// searchPatience is how long one search may take.
const searchPatience = time.Minute

var errPatience = fmt.Errorf("the search took longer than %s: narrow it with from and to, or name fewer objects in the expression", searchPatience)

// bisect answers at which transaction an expression became true.
func (c *call) bisect() error {
	if c.api.cfg.Finder == nil || c.api.cfg.Past == nil {
		return notServed()
	}
	query := c.r.URL.Query()
	when, err := condition.Compile(condition.Config{Table: c.api.cfg.Table, Namespace: query.Get("namespace")}, query.Get("when"))
	if err != nil {
		return blame(err)
	}
	if err := c.mayLookAt(when.Depends()); err != nil {
		return err
	}
	s := bisect.Search{When: when, Scan: flag(query.Get("scan")), Stopped: flag(query.Get("stopped"))}
	if s.From, s.To, err = c.span(proto.StreamEvents, false); err != nil {
		return err
	}
	newest := c.api.cfg.Store.View(c.kindIn(proto.StreamEvents)).Seq()
	s.From, s.To = max(s.From, c.api.cfg.Past.First(proto.StreamEvents)), min(s.To, newest)
	if s.From > s.To {
		return badRequest("from %s to %s: nothing happened between them (the log ends at %s)", s.From, s.To, newest)
	}
	ctx, cancel := context.WithTimeoutCause(c.r.Context(), searchPatience, errPatience)
	defer cancel()
	answer, err := c.api.cfg.Finder.Find(ctx, s)
	if err != nil {
		return blame(errors.Join(err, context.Cause(ctx)))
	}
	out := history.Bisection{
		When: when.String(), Stopped: s.Stopped, From: s.From, To: s.To, Method: string(answer.Method),
		Exact: answer.Method != bisect.ByHalves, Looked: answer.Looked, Already: answer.Already, Ended: answer.Ended,
	}
	if answer.Found > 0 {
		if out.Found, err = c.found(answer); err != nil {
			return err
		}
	}
	return c.sendJSON(out)
}

// blame makes what is wrong with an expression, or with how it was asked, the
// client's affair.
func blame(err error) error {
	var flaw *condition.Flaw
	switch {
	case errors.As(err, &flaw):
		return badRequest("%s", flaw)
	case errors.Is(err, bisect.ErrStopped):
		return badRequest("%s", bisect.ErrStopped)
	case errors.Is(err, errPatience):
		return badRequest("%s", errPatience)
	default:
		return err
	}
}

// mayLookAt makes sure that the user may read what an expression does: an answer
// tells of it.
func (c *call) mayLookAt(d condition.Depends) error {
	question := c.target
	defer func() { c.target = question }()
	for _, key := range d.Objects {
		c.target = c.targetOf(verbGet, key.Resource, key.Namespace, key.Name)
		if err := c.authorize(); err != nil {
			return err
		}
	}
	for _, list := range d.Lists {
		c.target = c.targetOf(verbList, list.Resource, list.Namespace, "")
		if err := c.authorize(); err != nil {
			return err
		}
	}
	if !d.Sides {
		return nil
	}
	return c.mayListAll(func(kind *events.Kind) bool { return kind.Stream == proto.StreamEvents }) // before and after are any of them
}

// mayListAll makes sure that the user may list all objects of these kinds.
func (c *call) mayListAll(of func(*events.Kind) bool) error {
	question := c.target
	defer func() { c.target = question }()
	for _, kind := range c.api.cfg.Table.All() {
		if !of(kind) {
			continue
		}
		c.target = c.targetOf(verbList, kind.Resource, "", "")
		if err := c.authorize(); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) targetOf(verb string, resource proto.Resource, namespace, name string) Target {
	return Target{
		Verb: verb, Group: resource.Group, Version: c.api.cfg.Table.Of(resource).GVK.Version, Namespace: namespace,
		Resource: resource.Name, Name: name, Path: c.target.Path,
	}
}

// found shows a transaction, what it did, and the first of its causes.
func (c *call) found(answer bisect.Answer) (*history.Found, error) {
	ctx := c.r.Context()
	env, err := c.api.cfg.History.Envelope(ctx, proto.StreamEvents, answer.Found)
	if err != nil {
		return nil, err
	}
	if env == nil {
		return nil, fmt.Errorf("transaction %s was found, but is not in the log any more", answer.Found)
	}
	out := &history.Found{Transaction: history.Of(proto.StreamEvents, env, nil), Objects: []history.ObjectState{}}
	if answer.Event >= 0 {
		out.Event = &answer.Event
	}
	readable, err := c.readable(env)
	if err != nil {
		return nil, err
	}
	wanted := func(_ *proto.Envelope, ev *proto.Event) bool { return readable[ev.Key] }
	for step, err := range c.api.cfg.Past.Changes(ctx, proto.StreamEvents, env.Seq, env.Seq, false, wanted) {
		if err != nil {
			return nil, err
		}
		state, err := history.StateOf(c.api.cfg.Table, proto.StreamEvents, step)
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, state)
	}
	root := env
	// What a person did is where it begins, be it an undo, whose cause is what it takes back.
	for !root.Actor.Person() && root.Cause.Seq > 0 && root.Cause.Seq < root.Seq { // a log that came in a file may claim anything
		cause, err := c.api.cfg.History.Envelope(ctx, proto.StreamEvents, root.Cause.Seq)
		if err != nil {
			return nil, err
		}
		if cause == nil {
			break // it is no longer in the log
		}
		root = cause
	}
	if root != env {
		first := history.Of(proto.StreamEvents, root, nil)
		out.Root = &first
	}
	return out, nil
}

// readable are the objects of a transaction that the user may read: a transaction
// may be about others, too.
func (c *call) readable(env *proto.Envelope) (map[proto.ObjectKey]bool, error) {
	out := map[proto.ObjectKey]bool{}
	for i := range env.Events {
		key := env.Events[i].Key
		if c.api.cfg.Table.Of(key.Resource) == nil || out[key] {
			continue
		}
		target := c.targetOf(verbGet, key.Resource, key.Namespace, key.Name)
		allowed, _, err := c.api.cfg.Authorizer.Authorize(c.r.Context(), c.user, target)
		if err != nil {
			return nil, fmt.Errorf("authorize %s of %s: %w", c.user.Name, target.Path, err)
		}
		out[key] = allowed
	}
	return out, nil
}
