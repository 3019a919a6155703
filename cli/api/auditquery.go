package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"segno/cli/api/history"
	"segno/proto"
)

// What may be asked for as an outcome, beside a code.
const (
	outcomeAllowed = "allowed" // done
	outcomeRefused = "refused" // the request was wrong, or not allowed
	outcomeMissing = "missing" // nothing of that name is there: what every apply asks first
	outcomeFailed  = "failed"  // the server's fault, or nobody waited for the answer
)

// auditFilter is what of the audit a client wants to see; empty fields are any.
type auditFilter struct {
	object  proto.Object
	actor   string
	verb    string
	outcome string
	code    int32
	source  string
	id      string
}

func auditFilterOf(query url.Values) (auditFilter, error) {
	f := auditFilter{
		object: proto.Object{Group: query.Get("group"), Resource: query.Get("resource"), Namespace: query.Get("namespace"), Name: query.Get("name")},
		actor:  query.Get("actor"), verb: query.Get("verb"), outcome: query.Get("outcome"), source: query.Get("source"), id: query.Get("id"),
	}
	switch f.outcome {
	case "", outcomeAllowed, outcomeRefused, outcomeMissing, outcomeFailed:
	default:
		code, err := strconv.Atoi(f.outcome)
		if err != nil || code < 100 || code > 599 {
			return f, badRequest("outcome %q: must be %s, %s, %s, %s or a code such as 403", f.outcome, outcomeAllowed, outcomeRefused, outcomeMissing, outcomeFailed)
		}
		f.code = int32(code)
	}
	return f, nil
}

// keeps tells whether an event is wanted.
func (f auditFilter) keeps(event *proto.AuditEvent) bool {
	return f.keepsObject(event.ObjectRef) &&
		(f.actor == "" || f.actor == event.User.Username || f.actor == string(auditActor(event))) &&
		(f.verb == "" || f.verb == event.Verb || f.verb == event.Annotations[proto.AuditQuestion]) &&
		(f.outcome == "" || f.outcome == outcomeOfEvent(event) || f.code != 0 && event.ResponseStatus != nil && f.code == event.ResponseStatus.Code) &&
		(f.source == "" || slices.Contains(event.SourceIPs, f.source) || f.source == event.Annotations[proto.AuditBus]) &&
		(f.id == "" || f.id == event.AuditID)
}

func (f auditFilter) keepsObject(of *proto.AuditObject) bool {
	o := f.object
	if of == nil {
		return o == proto.Object{}
	}
	return (o.Resource == "" || o.Resource == of.Resource && o.Group == of.APIGroup) &&
		(o.Namespace == "" || o.Namespace == of.Namespace) && (o.Name == "" || o.Name == of.Name)
}

// auditActor is the user as the log names it.
func auditActor(event *proto.AuditEvent) proto.Actor {
	name := event.User.Username
	if by := event.Annotations[proto.AuditBus]; by != "" {
		return proto.Actor(by)
	}
	if strings.HasPrefix(name, "system:") && !slices.Contains(event.User.Groups, GroupNodes) {
		return proto.Actor(name)
	}
	return User{Name: name, Groups: event.User.Groups}.Actor()
}

// outcomeOfEvent is the outcome in one word, "" before there is one.
func outcomeOfEvent(event *proto.AuditEvent) string {
	switch status := event.ResponseStatus; {
	case status == nil:
		return ""
	case status.Code >= codeLeft || event.Stage == proto.AuditPanic:
		return outcomeFailed
	case status.Code == http.StatusNotFound:
		return outcomeMissing
	case status.Code >= http.StatusBadRequest:
		return outcomeRefused
	default:
		return outcomeAllowed
	}
}

// auditLimit is how many events are answered unless the client says otherwise.
const auditLimit = 100

// auditMost bounds what is gathered of the newest events.
const auditMost = 10_000

// audit streams what was asked of the cluster, one event a line: the newest of a
// span, oldest first, or on and on.
func (c *call) audit() error {
	if c.api.cfg.Audit == nil {
		return notKept()
	}
	query := c.r.URL.Query()
	filter, err := auditFilterOf(query)
	if err != nil {
		return err
	}
	show, err := auditForm(query.Get("format"), c.api.cfg.Source)
	if err != nil {
		return err
	}
	span, err := c.auditSpan()
	if err != nil {
		return err
	}
	if err := c.warnLacking(span); err != nil {
		return err
	}
	return pour(c, c.lines(), span.Follow, func(ctx context.Context) iter.Seq2[*proto.AuditEvent, error] {
		return c.api.cfg.Audit.Read(ctx, span, filter.keeps)
	}, func(out *lines, event *proto.AuditEvent) (bool, error) {
		return true, out.write(show(event))
	})
}

func auditForm(text, source string) (show func(*proto.AuditEvent) any, err error) {
	switch text {
	case "", formLines:
		return func(event *proto.AuditEvent) any { return event }, nil
	case formCloudEvents:
		return func(event *proto.AuditEvent) any { return proto.CloudEventOfAudit(source, event) }, nil
	default:
		return nil, badRequest("format %q: must be %s or %s", text, formLines, formCloudEvents)
	}
}

// The forms in which logs are exported.
const (
	formLines       = "jsonl"
	formCloudEvents = "cloudevents"
)

func (c *call) auditSpan() (span proto.AuditSpan, err error) {
	query := c.r.URL.Query()
	if span.Limit, err = c.number("limit", auditLimit); err != nil {
		return span, err
	}
	if span.Limit > auditMost {
		return span, badRequest("limit %d: at most %d, which are gathered before they are answered; 0 is all, as they are read", span.Limit, auditMost)
	}
	if span.Since, err = c.timeOf(query.Get("since")); err != nil {
		return span, err
	}
	if span.Until, err = c.timeOf(query.Get("until")); err != nil {
		return span, err
	}
	if !span.Until.IsZero() && span.Since.After(span.Until) {
		return span, exchange("since", query.Get("since"), "until", query.Get("until"))
	}
	if c.past != nil {
		_, at, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), *c.past)
		if err != nil {
			return span, err
		}
		if span.Until.IsZero() || at.Before(span.Until) {
			span.Until = at
		}
		return span, nil
	}
	span.Follow = flag(query.Get("follow")) && span.Until.IsZero()
	return span, nil
}

// timeOf reads a moment as a time; "" is none.
func (c *call) timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	moment, err := ParseMoment(text, c.api.cfg.Now())
	if err != nil || moment.Seq == 0 {
		return moment.Time, err
	}
	_, at, err := c.api.cfg.Store.Resolve(c.r.Context(), c.kindIn(proto.StreamEvents), moment)
	return at, err
}

// warnLacking says when a part of the span is not kept any more, or something is
// wrong with what is.
func (c *call) warnLacking(span proto.AuditSpan) error {
	is, err := c.api.cfg.Audit.Extent(c.r.Context())
	if err != nil {
		return err
	}
	if is.Damage != "" {
		c.warn(fmt.Sprintf("the audit is damaged, as was found at %s: %s: %s", is.Found.UTC().Format(time.RFC3339), is.Damage, is.Advice))
	}
	if is.Dropped > 0 && !span.Since.IsZero() && (is.Oldest.IsZero() || span.Since.Before(is.Oldest)) {
		c.warn(fmt.Sprintf("%d events are not kept any more: the audit begins at %s (it keeps %s, and at most %d MiB)",
			is.Dropped, is.Oldest.UTC().Format(time.RFC3339), is.Keep, is.MaxBytes>>20))
	}
	return nil
}

// verifyAudit proves what was recorded of requests, if anything is.
func (c *call) verifyAudit(ctx context.Context, at proto.Seq, report func(history.Verification)) error {
	if c.api.cfg.Audit == nil {
		return nil
	}
	return history.VerifyAudit(report, func(progress func(done, total uint64)) (proto.AuditProof, error) {
		return c.api.cfg.Audit.Verify(ctx, at, progress)
	})
}
