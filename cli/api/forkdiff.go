package api

import (
	"context"
	"iter"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/cli/api/history/diffs"
	"segno/events"
	"segno/proto"
)

// ForkLog is the log of a fork: this cluster's up to where the fork began, and then
// its own.
type ForkLog interface {
	View(kind *events.Kind) events.View
	Revisions(ctx context.Context, kind *events.Kind, key proto.ObjectKey, last proto.Seq, limit int) ([]history.Version, error)
	Between(ctx context.Context, stream string, from, to proto.Seq, wanted Wanted) iter.Seq2[history.Difference, error]
}

// divergence is the cluster and a fork of it, both as they are now.
type divergence struct {
	comparison
	fork  ForkDoor
	here  proto.Seq // the newest transaction of the cluster
	there proto.Seq // and of the fork
	of    func(proto.ObjectKey) bool
}

// diffFork answers what differs in a fork from the cluster as it is now. Who asks
// must be let into both.
func (c *call) diffFork(name string, wish diffs.Wish) error {
	for _, parameter := range []string{"from", "to"} {
		if c.r.URL.Query().Get(parameter) != "" {
			return badRequest("the parameter fork compares the cluster and the fork as they are now: %s does not go with it", parameter)
		}
	}
	if c.past != nil {
		return badRequest("the parameter fork compares the cluster and the fork as they are now: a past moment does not go with it")
	}
	d := divergence{comparison: comparison{stream: proto.StreamEvents, wish: wish}}
	var err error
	if d.fork, err = c.forkFor(name); err != nil {
		return err
	}
	kind := c.kindIn(d.stream)
	d.here, d.there = c.api.cfg.Store.View(kind).Seq(), d.fork.Log.View(kind).Seq()
	if d.of, err = c.compared(&d); err != nil {
		return err
	}
	d.span = diffs.Span{
		From: diffs.Moment{Seq: d.here, Time: c.api.cfg.Now()}, To: diffs.Moment{Seq: d.there, Time: d.fork.Now}, Fork: name,
	}
	return c.diffEach(&d.comparison, func(ctx context.Context) iter.Seq2[history.Difference, error] { return c.apart(ctx, &d) })
}

// forkFor is a fork that the user may ask.
func (c *call) forkFor(name string) (ForkDoor, error) {
	if c.api.cfg.Forks == nil {
		return ForkDoor{}, notKept()
	}
	door, found := c.api.cfg.Forks.Door(name)
	switch {
	case !found:
		return door, noFork(name)
	case !c.user.mayEnter(door):
		return door, forbiddenPath(c.user, Target{Verb: c.target.Verb, Path: forkPrefix + name}, "")
	}
	return door, nil
}

// compared are the objects that the question is about: one, or those of a scope.
func (c *call) compared(d *divergence) (func(proto.ObjectKey) bool, error) {
	if c.r.URL.Query().Get("name") == "" {
		s, err := c.scoped()
		if err == nil && s.kind.Stream != d.stream {
			err = badRequest("%s are not compared with those of a fork: they are not kept in the log of events", s.kind.Resource)
		}
		return s.has, err
	}
	key, err := c.asked()
	if err != nil {
		return nil, err
	}
	here, err := c.versionAt(c.kind, key, d.here)
	if err != nil {
		return nil, err
	}
	there, err := d.fork.Log.Revisions(c.r.Context(), c.kind, key, d.there, 1)
	if err == nil && here == nil && len(there) == 0 {
		err = apierrors.NewNotFound(c.kind.GroupResource(), key.Name)
	}
	return func(k proto.ObjectKey) bool { return k == key }, err
}

// apart yields the objects that the fork or the cluster changed since the fork
// began: as they are in the cluster, and in the fork.
func (c *call) apart(ctx context.Context, d *divergence) iter.Seq2[history.Difference, error] {
	wanted := func(_ *proto.Envelope, ev *proto.Event) bool { return d.of(ev.Key) }
	return func(yield func(history.Difference, error) bool) {
		for found, err := range d.fork.Log.Between(ctx, d.stream, d.fork.At, d.there, wanted) {
			if err == nil {
				found.Before, err = c.living(found.Key, d.here)
			}
			if err == nil && found.Before == nil && found.After == nil {
				continue
			}
			if !yield(found, err) || err != nil {
				return
			}
		}
		for found, err := range c.api.cfg.Past.Between(ctx, d.stream, d.fork.At, d.here, wanted) {
			var there []history.Version
			if err == nil {
				there, err = d.fork.Log.Revisions(ctx, c.api.cfg.Table.Of(found.Key.Resource), found.Key, d.there, 1)
			}
			if err == nil && (len(there) > 0 && there[0].Record.Seq > d.fork.At || found.Before == nil && found.After == nil) {
				continue // the fork has changed it, too, or it came and went
			}
			found.Before, found.After = found.After, found.Before
			if !yield(found, err) || err != nil {
				return
			}
		}
	}
}

// living is an object as of a transaction; nil where it did not live.
func (c *call) living(key proto.ObjectKey, seq proto.Seq) (*events.Record, error) {
	v, err := c.versionAt(c.api.cfg.Table.Of(key.Resource), key, seq)
	if err != nil || v == nil || v.Record.Deleted {
		return nil, err
	}
	return v.Record, nil
}
