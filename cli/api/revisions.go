package api

import (
	"context"
	"iter"
	"math"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// history answers the revisions of one object, or of many, a line each.
func (c *call) history() error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	follow := flag(c.r.URL.Query().Get("follow"))
	switch {
	case follow && (c.past != nil || c.r.URL.Query().Get("until") != ""):
		return badRequest("follow goes on with what happens from now on: neither a past moment nor until goes with it")
	case c.r.URL.Query().Get("name") == "":
		return c.revisionsOfMany(filter, follow)
	}
	key, err := c.asked()
	if err != nil {
		return err
	}
	newest := c.api.cfg.Store.View(c.kind).Seq()
	list, err := c.revisions(key, filter)
	switch {
	case err != nil:
		return err
	case !follow:
		return c.sendJSON(list)
	case c.api.cfg.Past == nil:
		return notServed()
	}
	if list.More {
		c.warnOlder()
	}
	out := c.lines()
	for _, r := range list.Revisions {
		if err := out.write(history.Line{Object: list.Object, Revision: r}); err != nil {
			return nil
		}
	}
	return c.pourRevisions(out, wish{stream: c.kind.Stream, from: newest + 1, to: math.MaxUint64, follow: true, filter: filter,
		of: func(k proto.ObjectKey) bool { return k == key }}, 0)
}

// warnOlder says that not everything is shown.
func (c *call) warnOlder() { c.warn("older revisions are left out; see limit") }

func (c *call) filter() (history.Filter, error) {
	query := c.r.URL.Query()
	field, err := history.ParseField(query.Get("field"))
	if err != nil {
		return history.Filter{}, badRequest("%s", err)
	}
	actor, err := history.ParseActor(query.Get("actor"))
	if err != nil {
		return history.Filter{}, badRequest("%s", err)
	}
	return history.Filter{Actor: actor, Reason: query.Get("reason"), Field: field}, nil
}

// bounds reads since and until: moments, both included. The moment of the path
// is an end, too.
func (c *call) bounds(kind *events.Kind) (from, to proto.Seq, err error) {
	query := c.r.URL.Query()
	if err := c.orderly(kind, "since", "until", flag(query.Get("follow"))); err != nil {
		return 0, 0, err
	}
	from, to = 1, math.MaxUint64
	if text := query.Get("since"); text != "" {
		if from, err = c.momentIn(kind, text, true); err != nil {
			return 0, 0, err
		}
	}
	if text := query.Get("until"); text != "" {
		if to, err = c.momentIn(kind, text, false); err != nil {
			return 0, 0, err
		}
	}
	if err := inOrder("since", query.Get("since"), from, "until", query.Get("until"), to); err != nil {
		return 0, 0, err
	}
	if c.past != nil {
		at, _, err := c.api.cfg.Store.Resolve(c.r.Context(), kind, *c.past)
		return from, min(to, at), err
	}
	return from, to, nil
}

// revisions answers the newest revisions of an object that the filter keeps, as
// many as one answer looks at.
func (c *call) revisions(key proto.ObjectKey, filter history.Filter) (list history.List, err error) {
	limit, err := c.number("limit", 0)
	if err != nil {
		return list, err
	}
	if limit == 0 || limit > maxRevisions {
		limit = maxRevisions
	}
	since, until, err := c.bounds(c.kind)
	if err != nil {
		return list, err
	}
	last, err := c.lastRevision()
	if err != nil {
		return list, err
	}
	look := limit
	if filter != (history.Filter{}) {
		look = maxRevisions
	}
	found, err := c.api.cfg.History.Revisions(c.r.Context(), c.kind, key, min(last, until), look+1)
	if err != nil {
		return list, err
	}
	list.Object, list.More, list.Revisions = proto.ObjectOf(key), len(found) > look, []history.Revision{}
	compared := list.More // the oldest is only there to be compared with
	if !list.More {
		begin, err := c.beginning(c.kind, key)
		switch {
		case err != nil:
			return list, err
		case begin != nil:
			found, compared, list.Earlier = append(found, history.Version{Record: begin}), true, earlier(begin)
		case len(found) == 0:
			return list, c.notThere(c.kind, key)
		}
	}
	for i := range found {
		if found[i].Record.Seq < since {
			found, compared, list.More = found[:i+1], true, false
			break
		}
	}
	if list.More {
		list.Next = found[look-1].Record.Seq
	}
	list.Revisions, err = history.Revisions(c.api.cfg.Table, c.kind.Stream, found, compared, filter)
	if left := len(list.Revisions) - limit; left > 0 {
		list.Revisions = list.Revisions[left:]
		list.More, list.Next, list.Earlier = true, list.Revisions[0].Seq, nil
	}
	return list, err
}

// wish is the revisions of many that are asked for.
type wish struct {
	stream   string
	from, to proto.Seq
	follow   bool
	filter   history.Filter
	of       func(proto.ObjectKey) bool
}

func (w wish) wants(env *proto.Envelope, ev *proto.Event) bool {
	return w.of(ev.Key) && w.filter.Wants(env, ev)
}

// revisionsOfMany streams the revisions of all objects of a scope, oldest first:
// with a limit, the newest of them.
func (c *call) revisionsOfMany(filter history.Filter, follow bool) error {
	s, err := c.scoped()
	if err != nil {
		return err
	}
	limit, err := c.number("limit", 0)
	if err != nil {
		return err
	}
	w := wish{stream: s.kind.Stream, follow: follow, filter: filter, of: s.has}
	if w.from, w.to, err = c.bounds(s.kind); err != nil {
		return err
	}
	w.from = max(w.from, c.api.cfg.Past.First(w.stream))
	skip := 0
	if limit > 0 {
		var more bool
		if w.from, skip, more, err = c.newest(w, limit); err != nil {
			return err
		}
		if more {
			c.warnOlder()
		}
	}
	return c.pourRevisions(c.lines(), w, skip)
}

// stride is how many transactions are looked at in one go on the way back.
const stride = 256

// newest finds, from the end, where the newest limit revisions begin: at which
// transaction, behind how many of its own, and whether there are older ones.
func (c *call) newest(w wish, limit int) (from proto.Seq, skip int, more bool, err error) {
	from, count := w.from, 0
	for end := min(w.to, c.api.cfg.Store.View(c.kindIn(w.stream)).Seq()); end >= w.from && end > 0; {
		begin := w.from
		if end-w.from >= stride {
			begin = end - stride + 1
		}
		kept, err := c.kept(w, begin, end)
		switch {
		case err != nil:
			return 0, 0, false, err
		case count == limit && len(kept) > 0:
			return from, 0, true, nil
		case count+len(kept) > limit:
			first := count + len(kept) - limit
			for from = kept[first]; skip < first && kept[first-skip-1] == from; {
				skip++
			}
			return from, skip, true, nil
		}
		if count += len(kept); len(kept) > 0 {
			from = kept[0]
		}
		end = begin - 1
	}
	return from, 0, false, nil
}

// kept are the transactions of a span, once for each revision that is wanted.
func (c *call) kept(w wish, begin, end proto.Seq) (out []proto.Seq, err error) {
	for step, err := range c.api.cfg.Past.Changes(c.r.Context(), w.stream, begin, end, false, w.wants) {
		if err != nil {
			return nil, err
		}
		_, ok, err := history.LineOf(c.api.cfg.Table, w.stream, step, w.filter)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, step.Record.Seq)
		}
	}
	return out, nil
}

// pourRevisions writes a line a revision, without the first few.
func (c *call) pourRevisions(out *lines, w wish, skip int) error {
	return pour(c, out, w.follow, func(ctx context.Context) iter.Seq2[history.Step, error] {
		return c.api.cfg.Past.Changes(ctx, w.stream, w.from, w.to, w.follow, w.wants)
	}, func(out *lines, step history.Step) (more bool, err error) {
		line, ok, err := history.LineOf(c.api.cfg.Table, w.stream, step, w.filter)
		if err != nil || !ok {
			return true, err
		}
		if skip > 0 {
			skip--
			return true, nil
		}
		return true, out.write(line)
	})
}
