package api

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// tailFilter is what of the log a client wants to see.
type tailFilter struct {
	stream      string
	object      proto.Object // empty fields are any
	actor       string
	verb        string
	fact        string
	correlation string
	bodies      bool
	form        string // of lines: transactions, all but Secrets with bodies; or each event a CloudEvent
}

func tailFilterOf(query url.Values) (tailFilter, error) {
	f := tailFilter{
		stream: strings.ToUpper(query.Get("stream")),
		object: proto.Object{Group: query.Get("group"), Resource: query.Get("resource"), Namespace: query.Get("namespace"), Name: query.Get("name")},
		actor:  query.Get("actor"), verb: query.Get("verb"), fact: query.Get("fact"), correlation: query.Get("correlation"),
		bodies: flag(query.Get("bodies")), form: query.Get("format"),
	}
	switch f.form {
	case "", formLines, formCloudEvents:
	default:
		return f, badRequest("format %q: must be %s or %s", f.form, formLines, formCloudEvents)
	}
	switch f.stream {
	case "":
		f.stream = proto.StreamEvents
	case proto.StreamEvents, proto.StreamNotes, proto.StreamLeases:
	default:
		return f, badRequest("stream %q: must be one of %s, %s, %s", f.stream, proto.StreamEvents, proto.StreamNotes, proto.StreamLeases)
	}
	return f, nil
}

// wants tells whether a transaction is of interest at all.
func (f tailFilter) wants(env *proto.Envelope) bool {
	return (f.actor == "" || f.actor == string(env.Actor)) && (f.verb == "" || f.verb == env.Verb) &&
		(f.correlation == "" || f.correlation == env.Correlation)
}

// keeps tells whether one event of it is.
func (f tailFilter) keeps(ev *proto.Event) bool {
	o := f.object
	return (o.Resource == "" || o.Resource == ev.Key.Resource.Name && o.Group == ev.Key.Group) &&
		(o.Namespace == "" || o.Namespace == ev.Key.Namespace) && (o.Name == "" || o.Name == ev.Key.Name) &&
		(f.fact == "" || f.fact == ev.Kind)
}

// show is the transaction as the client gets it; ok is false when nothing of
// it is wanted.
func (f tailFilter) show(table *events.Table, env *proto.Envelope) (t history.Transaction, ok bool) {
	if !f.wants(env) {
		return t, false
	}
	t = history.Of(f.stream, env, f.keeps)
	if len(t.Events) == 0 {
		return t, false
	}
	for at, i := 0, 0; (f.bodies || f.form == formLines) && i < len(env.Events); i++ {
		ev := &env.Events[i]
		if !f.keeps(ev) {
			continue
		}
		if f.bodies || !proto.Secret(ev.Key.Resource) {
			body, err := history.Render(table, ev)
			t.Events[at].Body, t.Events[at].Sealed = body, err != nil
		}
		at++
	}
	return t, true
}

// lines are what a client gets of a transaction, in the form that it asked for.
func (f tailFilter) lines(table *events.Table, source string, env *proto.Envelope) (out []any) {
	if f.form != formCloudEvents {
		if t, ok := f.show(table, env); ok {
			out = append(out, t)
		}
		return out
	}
	if !f.wants(env) {
		return nil
	}
	render := func(ev *proto.Event) (json.RawMessage, error) { return history.Render(table, ev) }
	for i := range env.Events {
		if f.keeps(&env.Events[i]) {
			out = append(out, proto.CloudEventOf(source, f.stream, env, i, render))
		}
	}
	return out
}

// tail streams transactions, one a line: from where the client says, to the
// end or on and on.
func (c *call) tail() error {
	query := c.r.URL.Query()
	filter, err := tailFilterOf(query)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", 0)
	if err != nil {
		return err
	}
	follow := flag(query.Get("follow")) && c.past == nil
	from, to, err := c.span(filter.stream, follow)
	if err != nil {
		return err
	}
	sent := 0
	return pour(c, c.lines(), follow, func(ctx context.Context) iter.Seq2[*proto.Envelope, error] {
		return c.api.cfg.History.Events(ctx, filter.stream, from, follow)
	}, func(out *lines, env *proto.Envelope) (more bool, err error) {
		if env.Seq > to {
			return false, nil
		}
		shown := filter.lines(c.api.cfg.Table, c.api.cfg.Source, env)
		if len(shown) == 0 {
			return true, nil
		}
		for _, line := range shown {
			if err := out.write(line); err != nil {
				return false, err
			}
		}
		sent++
		return limit == 0 || sent < limit, nil
	})
}

// span reads from and to: moments, both included. A log that is only followed
// begins behind its newest transaction.
func (c *call) span(stream string, follow bool) (from, to proto.Seq, err error) {
	query := c.r.URL.Query()
	kind := c.kindIn(stream)
	if kind == nil {
		return 0, 0, badRequest("stream %q: no kind lives there", stream)
	}
	if err := c.orderly(kind, "from", "to", follow); err != nil {
		return 0, 0, err
	}
	from, to = 1, math.MaxUint64
	switch text := query.Get("from"); {
	case text != "":
		if from, err = c.momentIn(kind, text, true); err != nil {
			return 0, 0, err
		}
	case follow:
		from = c.api.cfg.Store.View(kind).Seq() + 1
	}
	if c.past != nil {
		to, _, err = c.api.cfg.Store.Resolve(c.r.Context(), kind, *c.past)
		return from, to, err
	}
	if text := query.Get("to"); text != "" {
		if to, err = c.momentIn(kind, text, false); err != nil {
			return from, to, err
		}
	}
	return from, to, inOrder("from", query.Get("from"), from, "to", query.Get("to"), to)
}

// momentIn reads a bound: a sequence of the log itself, or a time. The
// beginning of a span is the first transaction at or after it.
func (c *call) momentIn(kind *events.Kind, text string, beginning bool) (proto.Seq, error) {
	if seq, err := proto.ParseSeq(text); err == nil {
		return max(seq, 1), nil
	}
	moment, err := ParseMoment(text, c.api.cfg.Now())
	if err != nil {
		return 0, err
	}
	seq, _, err := c.api.cfg.Store.Resolve(c.r.Context(), kind, moment)
	if beginning && apierrors.IsResourceExpired(err) {
		c.warn(err.Error())
		return 1, nil // the span is as long as it can be
	}
	if beginning {
		seq++
	}
	return seq, err
}

// kindIn is any kind of the stream: sequences pass with a kind.
func (c *call) kindIn(stream string) *events.Kind {
	for _, kind := range c.api.cfg.Table.All() {
		if kind.Stream == stream {
			return kind
		}
	}
	return nil
}

// verify proves the logs, and tells how far it is, a line at a time.
func (c *call) verify() error {
	at, when, err := c.momentOfLog()
	if err != nil {
		return err
	}
	if c.past != nil && at == 0 {
		return c.beforeLog(when.UTC().Format(time.RFC3339))
	}
	message, err := c.number("audit", 0)
	if err != nil {
		return err
	}
	out := c.lines()
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	report := func(v history.Verification) {
		if out.write(v) != nil || out.flush() != nil {
			cancel()
		}
	}
	err = c.api.cfg.History.Verify(ctx, at, report)
	if err == nil {
		err = c.verifyAudit(ctx, proto.Seq(message), report)
	}
	if c.r.Context().Err() != nil {
		return err // drops the connection: the client must not take a part for the whole
	}
	if err != nil && ctx.Err() == nil {
		_ = out.write(history.Verification{Error: err.Error()})
	}
	return nil
}
