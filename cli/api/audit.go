package api

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// Audit keeps what was asked, by whom, and what came of it.
type Audit interface {
	// Record keeps an event. It waits while there is no room for it.
	Record(event *proto.AuditEvent)
	// Read yields the events of a span that keep wants, the oldest first. The last
	// thing it yields may be an error.
	Read(ctx context.Context, span proto.AuditSpan, keep func(*proto.AuditEvent) bool) iter.Seq2[*proto.AuditEvent, error]
	// Extent is how far back events reach, and how long they are kept.
	Extent(ctx context.Context) (proto.AuditExtent, error)
	// Verify proves the chain of all that is kept; at is a message whose hash is
	// wanted, 0 for none.
	Verify(ctx context.Context, at proto.Seq, report func(done, total uint64)) (proto.AuditProof, error)
}

// Bounds of what a client can have written about itself.
const (
	maxAgent   = 256
	maxURI     = 2048
	maxMessage = 1024
	maxGroups  = 32
)

// codeLeft is the outcome of a request whose client did not wait for the answer:
// there is no code for it in HTTP, and this one is usual.
const codeLeft = 499

// trace is what of a request is recorded beside what is known of it anyway.
type trace struct {
	began    time.Time
	original *url.URL // with the moment
	at       string   // the moment, as asked
	question string   // of the history
	name     string   // of the object, as the body has it
	failure  *metav1.Status
	cut      bool // the answer was broken off
	panicked bool
	made     []events.Outcome
	dryRun   bool
	unseen   bool // a question about health: not recorded
}

// record tells the audit of the request, if there is one.
func (c *call) record(stage proto.AuditStage) {
	if c.api.cfg.Audit != nil && !c.trace.unseen {
		c.api.cfg.Audit.Record(c.auditEvent(stage))
	}
}

// recorded is called at the end of every request, whatever came of it.
func (c *call) recorded() {
	if c.trace.panicked {
		c.record(proto.AuditPanic)
		return
	}
	c.record(proto.AuditComplete)
}

func (c *call) auditEvent(stage proto.AuditStage) *proto.AuditEvent {
	event := &proto.AuditEvent{
		AuditID: c.id, Stage: stage, RequestURI: auditURI(c.trace.original), User: c.auditUser(),
		UserAgent:       printable(c.r.UserAgent(), maxAgent),
		RequestReceived: proto.AuditTime{Time: c.trace.began}, StageAt: proto.AuditTime{Time: time.Now()},
		Annotations: map[string]string{},
	}
	if from, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
		event.SourceIPs = []string{from.Addr().Unmap().String()}
	} else if c.user.Name != "" {
		event.Annotations[proto.AuditBus] = string(c.user.Actor())
	}
	t := c.target
	if t.Path == "" { // it was refused before anybody looked at what it is about
		t, _ = targetOf(c.r)
	}
	event.Verb = t.Verb
	if t.Resource != "" {
		event.ObjectRef = &proto.AuditObject{
			Resource: t.Resource, Namespace: t.Namespace, Name: cmp.Or(t.Name, c.trace.name, c.madeName()),
			APIGroup: t.Group, APIVersion: t.Version, Subresource: t.Subresource,
		}
	}
	if stage != proto.AuditReceived {
		event.ResponseStatus = c.outcome()
		event.Annotations[proto.AuditDecision] = "allow"
		if code := event.ResponseStatus.Code; code == http.StatusUnauthorized || code == http.StatusForbidden {
			event.Annotations[proto.AuditDecision] = "forbid"
		}
	}
	c.annotate(event.Annotations)
	return event
}

func (c *call) auditUser() proto.AuditUser {
	user := c.user
	if user.Name == "" {
		user, _ = UserFrom(c.r.Context())
	}
	if user.Name == "" {
		return proto.AuditUser{Username: "system:anonymous", Groups: []string{"system:unauthenticated"}}
	}
	return proto.AuditUser{Username: user.Name, Groups: user.Groups[:min(len(user.Groups), maxGroups)]}
}

// outcome is what the client was told. Of an answer that was broken off it is why.
func (c *call) outcome() *proto.AuditStatus {
	failure, code := c.trace.failure, int32(c.w.code)
	left := c.r.Context().Err() != nil && (failure == nil || failure.Code == http.StatusInternalServerError)
	switch {
	case left && c.trace.cut && code != 0: // as everybody ends what he follows
		return &proto.AuditStatus{Code: code, Message: "the client left before the end of the answer, or the server ended"}
	case left && (failure != nil || c.trace.cut):
		return &proto.AuditStatus{Status: metav1.StatusFailure, Code: codeLeft, Reason: "ClientLeft", Message: "the client left before the answer, or the server ended"}
	case failure != nil:
		return &proto.AuditStatus{Status: metav1.StatusFailure, Code: failure.Code, Reason: string(failure.Reason), Message: printable(failure.Message, maxMessage)}
	case c.trace.cut:
		return &proto.AuditStatus{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: "CutOff", Message: "the answer broke off"}
	case code >= http.StatusBadRequest: // of a node's agent
		return &proto.AuditStatus{Status: metav1.StatusFailure, Code: code, Message: http.StatusText(int(code))}
	default:
		return &proto.AuditStatus{Code: cmp.Or(code, http.StatusOK)}
	}
}

func (c *call) annotate(notes map[string]string) {
	for name, value := range map[string]string{
		proto.AuditAt: c.trace.at, proto.AuditQuestion: c.trace.question, proto.AuditVia: auditVia(c.r),
	} {
		if value != "" {
			notes[name] = value
		}
	}
	if c.trace.dryRun {
		notes[proto.AuditDryRun] = "true"
	}
	if c.trace.cut && c.w.code != 0 {
		notes[proto.AuditAnswered] = strconv.Itoa(c.w.code)
	}
	c.annotateMade(notes)
}

// mostSequences are named of a request that made many transactions.
const mostSequences = 20

func (c *call) annotateMade(notes map[string]string) {
	c.making.Lock()
	defer c.making.Unlock()
	var names []string
	for _, out := range c.trace.made {
		if out.Seq != 0 {
			names = append(names, out.Seq.String())
		}
	}
	if len(names) == 0 {
		return
	}
	notes[proto.AuditSequence] = strings.Join(names[:min(len(names), mostSequences)], ",")
	if len(names) > mostSequences {
		notes[proto.AuditTransactions] = strconv.Itoa(len(names))
	}
	if c.kind != nil && c.kind.Stream != proto.StreamEvents {
		notes[proto.AuditLog] = c.kind.Stream
	}
}

// madeName is the name of the object that the request made.
func (c *call) madeName() string {
	c.making.Lock()
	defer c.making.Unlock()
	if len(c.trace.made) == 1 && c.trace.made[0].Created && c.trace.made[0].Object != nil {
		return c.trace.made[0].Object.GetName()
	}
	return ""
}

// auditURI is what was asked, without what may be a secret: the arguments of
// commands in containers, and credentials in the wrong place.
func auditURI(u *url.URL) string {
	if u.RawQuery == "" {
		return printable(u.EscapedPath(), maxURI)
	}
	pairs := strings.Split(u.RawQuery, "&")
	shown := pairs[:0]
	commands := 0
	for _, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(name)
		switch {
		case history.SecretParameter(name):
			pair = name + "=…"
		case strings.ToLower(plain) == "command":
			if commands++; commands == 2 {
				pair = "command=…"
			}
			if commands > 2 {
				continue
			}
		}
		shown = append(shown, pair)
	}
	return printable(u.EscapedPath()+"?"+strings.Join(shown, "&"), maxURI)
}

// auditVia is the command line, when the client sends it, without the arguments of
// what runs in a container.
func auditVia(r *http.Request) string {
	if r.Header.Get("Segno-Command") == "" && r.Header.Get("Kubectl-Command") == "" {
		return ""
	}
	typed, inside, found := strings.Cut(via(r), " -- ")
	if !found {
		return typed
	}
	program, rest, _ := strings.Cut(inside, " ")
	if rest != "" {
		program += " …"
	}
	return typed + " -- " + program
}
