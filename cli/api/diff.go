package api

import (
	"cmp"
	"context"
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/cli/api/history/diffs"
	"segno/events"
	"segno/proto"
)

// comparison is one question about what differs between two moments.
type comparison struct {
	stream string
	span   diffs.Span
	wish   diffs.Wish
	stat   diffs.Stat
}

// diff answers what differs between two moments: first the span with its gaps,
// then the objects, then the counts.
func (c *call) diff() error {
	if c.api.cfg.Past == nil {
		return notServed()
	}
	wish, err := c.diffWish()
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	if name := query.Get("fork"); name != "" {
		return c.diffFork(name, wish)
	}
	if query.Get("name") != "" {
		return c.diffOne(wish)
	}
	s, err := c.scoped()
	if err != nil {
		return err
	}
	d := comparison{stream: s.kind.Stream, wish: wish}
	if err := c.diffSpan(&d); err != nil {
		return err
	}
	if s.resources[podsResource] || s.resources[nodesResource] {
		if err := c.silences(&d, func(proto.NodeName) bool { return true }); err != nil {
			return err
		}
	}
	return c.diffEach(&d, func(ctx context.Context) iter.Seq2[history.Difference, error] {
		return c.api.cfg.Past.Between(ctx, d.stream, d.span.From.Seq, d.span.To.Seq, func(_ *proto.Envelope, ev *proto.Event) bool { return s.has(ev.Key) })
	})
}

// diffEach answers the span, what differs of all that there is to compare, and the
// counts.
func (c *call) diffEach(d *comparison, all func(context.Context) iter.Seq2[history.Difference, error]) error {
	out := c.lines()
	if err := out.write(diffs.Line{Span: &d.span}); err != nil {
		return nil
	}
	err := pour(c, out, false, all, func(out *lines, found history.Difference) (more bool, err error) {
		return true, c.writeDifference(out, d, found)
	})
	if err == nil {
		_ = out.write(diffs.Line{Stat: &d.stat}) // who went away is not told
	}
	return err
}

// podsResource and nodesResource are whose statuses depend on being heard.
var (
	podsResource  = proto.Resource{Name: "pods"}
	nodesResource = proto.Resource{Name: "nodes"}
)

// diffOne compares one object.
func (c *call) diffOne(wish diffs.Wish) error {
	key, err := c.asked()
	if err != nil {
		return err
	}
	d := comparison{stream: c.kind.Stream, wish: wish}
	if err := c.diffSpan(&d); err != nil {
		return err
	}
	found := history.Difference{Key: key}
	newest, err := c.versionAt(c.kind, key, d.span.To.Seq)
	if err != nil {
		return err
	}
	oldest, err := c.versionAt(c.kind, key, d.span.From.Seq)
	if err != nil {
		return err
	}
	if newest == nil {
		return apierrors.NewNotFound(c.kind.GroupResource(), key.Name)
	}
	nodes := map[proto.NodeName]bool{}
	for v, into := range map[*history.Version]**events.Record{newest: &found.After, oldest: &found.Before} {
		if v == nil || v.Record.Deleted {
			continue
		}
		*into = v.Record
		if err := c.nodesOf(v.Record, nodes); err != nil {
			return err
		}
	}
	if len(nodes) > 0 {
		if err := c.silences(&d, func(name proto.NodeName) bool { return nodes[name] }); err != nil {
			return err
		}
	}
	out := c.lines()
	if out.write(diffs.Line{Span: &d.span}) != nil {
		return nil
	}
	if newest.Record.Seq > d.span.From.Seq {
		if err := c.writeDifference(out, &d, found); err != nil {
			return err
		}
	}
	_ = out.write(diffs.Line{Stat: &d.stat}) // who went away is not told
	return nil
}

// nodesOf adds the nodes that tell an object's status.
func (c *call) nodesOf(rec *events.Record, into map[proto.NodeName]bool) error {
	switch rec.Key.Resource {
	case nodesResource:
		into[proto.NodeName(rec.Key.Name)] = true
	case podsResource:
		obj, err := c.api.cfg.Table.Decode(rec)
		if err != nil {
			return err
		}
		if pod, ok := obj.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			into[proto.NodeName(pod.Spec.NodeName)] = true
		}
	}
	return nil
}

func (c *call) writeDifference(out *lines, d *comparison, found history.Difference) error {
	object, err := diffs.Compare(c.api.cfg.Table, found, d.wish)
	if err != nil || object == nil {
		return err
	}
	d.stat.Count(object)
	return out.write(diffs.Line{Object: object})
}

// versionAt is an object's newest version at or before a sequence; nil when there
// is none. One that the log began with has no transaction.
func (c *call) versionAt(kind *events.Kind, key proto.ObjectKey, last proto.Seq) (*history.Version, error) {
	if last == 0 {
		return nil, nil
	}
	found, err := c.api.cfg.History.Revisions(c.r.Context(), kind, key, last, 1)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return &found[0], nil
	}
	begin, err := c.beginning(kind, key)
	if err != nil || begin == nil || begin.Seq > last {
		return nil, err
	}
	return &history.Version{Record: begin}, nil
}

func (c *call) diffWish() (wish diffs.Wish, err error) {
	query := c.r.URL.Query()
	section := query.Get("section")
	if !slices.Contains([]string{"", "all", "spec", "status"}, section) {
		return wish, badRequest("section %q: must be spec, status or all", section)
	}
	return diffs.Wish{Spec: section != "status", Status: section != "spec", Counts: flag(query.Get("stat"))}, nil
}

// diffSpan reads from and to, moments as of which is compared, and finds the
// times of which nothing is known.
func (c *call) diffSpan(d *comparison) (err error) {
	query := c.r.URL.Query()
	if query.Get("from") == "" {
		return badRequest("the parameter from is required: the moment to compare with; to is now unless it is given")
	}
	kind := c.kindIn(d.stream)
	if err := c.orderly(kind, "from", "to", false); err != nil {
		return err
	}
	if d.span.From, err = c.diffMoment(kind, query.Get("from")); err != nil {
		return err
	}
	to := query.Get("to")
	switch {
	case to == "" && c.past != nil:
		seq, at, err := c.api.cfg.Store.Resolve(c.r.Context(), kind, *c.past)
		if err != nil {
			return err
		}
		d.span.To = diffs.Moment{Seq: seq, Time: at}
	default:
		if d.span.To, err = c.diffMoment(kind, cmp.Or(to, "now")); err != nil {
			return err
		}
	}
	if d.span.From.Seq > d.span.To.Seq {
		return exchange("from", query.Get("from"), "to", cmp.Or(to, d.span.To.Seq.String()))
	}
	return c.diffGaps(d)
}

func (c *call) diffMoment(kind *events.Kind, text string) (m diffs.Moment, err error) {
	moment, err := ParseMoment(text, c.api.cfg.Now())
	if err == nil {
		m.Seq, m.Time, err = c.api.cfg.Store.Resolve(c.r.Context(), kind, moment)
	}
	return m, err
}

// diffGaps finds when the log did not exist yet, and when nobody wrote to it.
func (c *call) diffGaps(d *comparison) error {
	lookup := func(seq proto.Seq) (*proto.Envelope, error) {
		return c.api.cfg.History.Envelope(c.r.Context(), d.stream, seq)
	}
	first := c.api.cfg.Past.First(d.stream)
	begin, err := lookup(first)
	if err != nil {
		return err
	}
	if begin != nil && d.span.From.Seq < first && d.span.From.Time.Before(begin.At) {
		d.span.Gaps = append(d.span.Gaps, diffs.Gap{Sort: diffs.Unrecorded, From: d.span.From, To: diffs.Moment{Seq: first, Time: begin.At}})
	}
	stops, err := diffs.Stops(max(d.span.From.Seq, first), d.span.To.Seq, lookup)
	d.span.Gaps = append(d.span.Gaps, stops...)
	return err
}

// silences finds when nodes were not heard: their pods' statuses are not known
// then.
func (c *call) silences(d *comparison, of func(proto.NodeName) bool) error {
	if !d.wish.Status || d.stream != proto.StreamEvents {
		return nil
	}
	kind := c.api.cfg.Table.Of(nodesResource)
	names := map[string]bool{}
	for _, seq := range []proto.Seq{d.span.From.Seq, d.span.To.Seq} {
		view, err := c.api.cfg.Store.At(c.r.Context(), kind, seq)
		if err != nil {
			return err
		}
		page, err := view.List(events.Query{Resource: nodesResource})
		if err != nil {
			return err
		}
		for _, node := range page.Items {
			names[node.GetName()] = true
		}
	}
	var found []diffs.Gap
	for name := range names {
		if !of(proto.NodeName(name)) {
			continue
		}
		gaps, err := diffs.Silences(c.api.cfg.Table, proto.NodeName(name), d.span.From.Seq, d.span.To.Seq, func(last proto.Seq) (*history.Version, error) {
			return c.versionAt(kind, nodesResource.Key("", name), last)
		})
		if err != nil {
			return err
		}
		found = append(found, gaps...)
	}
	slices.SortFunc(found, func(a, b diffs.Gap) int {
		return cmp.Or(cmp.Compare(a.From.Seq, b.From.Seq), cmp.Compare(a.Node, b.Node))
	})
	d.span.Gaps = append(d.span.Gaps, found...)
	return nil
}
