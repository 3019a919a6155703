package api

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/events/explain"
	"segno/proto"
)

// Causes is the index of causes, read downwards.
type Causes interface {
	// Effects are the transactions of EVENTS that one caused, directly.
	Effects(ctx context.Context, seq proto.Seq) ([]proto.Seq, error)
}

// How much of what followed from a change is listed, unless the client says
// otherwise; at most as many transactions as mostListed.
const (
	blastDepth = 8
	blastLimit = 100
	mostListed = 10_000
)

// blast answers what followed from a transaction, or from the newest change that
// a person made to an object.
func (c *call) blast() error {
	if c.api.cfg.Causes == nil {
		return notServed()
	}
	depth, err := c.number("depth", blastDepth)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", blastLimit)
	if err != nil {
		return err
	}
	if limit == 0 || limit > mostListed {
		limit = mostListed
	}
	seq, last, object, err := c.change()
	if err != nil {
		return err
	}
	found, err := explain.Spread(c.r.Context(), effectsOf{pastOf{c}}, seq, explain.Bounds{Last: last, Depth: depth, Limit: limit})
	if err != nil {
		return err
	}
	if found == nil {
		return apierrors.NewResourceExpired("transaction " + seq.String() + " is no longer in the log")
	}
	return c.sendJSON(history.Spread(object, found))
}

// change is the transaction that the parameters name, and the moment up to which
// effects count.
func (c *call) change() (seq, last proto.Seq, object *proto.Object, err error) {
	query := c.r.URL.Query()
	text := query.Get("seq")
	if (text == "") == (query.Get("resource") == "" && query.Get("name") == "") {
		return 0, 0, nil, badRequest("either the parameter seq, a sequence of the log, or an object by its resource and name is required")
	}
	if text != "" {
		return c.numbered(text)
	}
	key, err := c.asked()
	if err != nil {
		return 0, 0, nil, err
	}
	if c.kind.Stream != proto.StreamEvents {
		return 0, 0, nil, badRequest("%s are not kept in the log of events: nothing follows from them", key.Resource)
	}
	view, _, err := c.view()
	if err != nil {
		return 0, 0, nil, err
	}
	wish, known, err := explain.NewestWish(pastOf{c}, key, view.Seq())
	switch {
	case err != nil:
		return 0, 0, nil, err
	case !known:
		return 0, 0, nil, apierrors.NewNotFound(c.kind.GroupResource(), key.Name)
	case wish == nil:
		return 0, 0, nil, badRequest("no person has changed %s %q, as far as its newest revisions tell; name one of them by its sequence: segno history shows them", key.Resource, key.Name)
	}
	shown := proto.ObjectOf(key)
	return wish.Seq, view.Seq(), &shown, nil
}

func (c *call) numbered(text string) (seq, last proto.Seq, object *proto.Object, err error) {
	c.kind = c.kindIn(proto.StreamEvents)
	view, _, err := c.view()
	if err != nil {
		return 0, 0, nil, err
	}
	seq, err = proto.ParseSeq(text)
	switch {
	case err != nil || seq == 0:
		return 0, 0, nil, badRequest("seq %q: must be a sequence of the log, 1 or above", text)
	case seq > view.Seq() && c.past != nil:
		return 0, 0, nil, badRequest("seq %s had not happened yet as of %s: ask as of a later moment", seq, view.Seq())
	case seq > view.Seq():
		return 0, 0, nil, badRequest("seq %s has not happened yet: the log ends at %s", seq, view.Seq())
	}
	return seq, view.Seq(), nil, nil
}

// effectsOf answers explain's questions about effects out of the log.
type effectsOf struct{ pastOf }

var _ explain.Effects = effectsOf{}

// Effects implements explain.Effects.
func (e effectsOf) Effects(seq proto.Seq) ([]proto.Seq, error) {
	return e.api.cfg.Causes.Effects(e.r.Context(), seq)
}
