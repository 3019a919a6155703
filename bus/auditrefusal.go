package bus

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	natsd "github.com/nats-io/nats-server/v2/server"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"

	"segno/proto"
)

// refusal is a request over the bus that came to nothing. Those that came to
// something are in the log.
type refusal struct {
	who     proto.Actor
	verb    string
	subject string // that was published to
	key     proto.ObjectKey
	err     error
	source  string // address, when it is known
	began   time.Time
}

// longestSubject bounds what a hostile client can have written.
const longestSubject = 512

// refused records one; a nil audit records nothing.
func (a *Audit) refused(r refusal) {
	if a == nil {
		return
	}
	now := proto.AuditTime{Time: time.Now()}
	event := &proto.AuditEvent{
		AuditID: string(uuid.NewUUID()), Stage: proto.AuditComplete, Verb: r.verb, User: proto.AuditUser{Username: string(r.who)},
		RequestURI: "nats:" + clean(r.subject), ResponseStatus: statusOf(r.err),
		RequestReceived: proto.AuditTime{Time: r.began}, StageAt: now, Annotations: map[string]string{proto.AuditDecision: "forbid"},
	}
	if r.began.IsZero() {
		event.RequestReceived = now
	}
	if r.source != "" {
		event.SourceIPs = []string{r.source}
	}
	if r.who != anonymous {
		event.Annotations[proto.AuditBus] = string(r.who)
	}
	if r.key.Resource.Name != "" {
		event.ObjectRef = &proto.AuditObject{Resource: r.key.Resource.Name, APIGroup: r.key.Group, Namespace: r.key.Namespace, Name: r.key.Name}
	}
	a.Record(event)
}

// clean is a subject as it may be shown.
func clean(subject string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(subject[:min(len(subject), longestSubject)], ""))
}

// statusOf is an error as it is recorded: one that is no Status of its own says
// that a request was not taken.
func statusOf(err error) *proto.AuditStatus {
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		s := known.Status()
		return &proto.AuditStatus{Status: "Failure", Code: s.Code, Reason: string(s.Reason), Message: brief(err)}
	}
	return &proto.AuditStatus{Status: "Failure", Code: http.StatusForbidden, Reason: "Forbidden", Message: brief(err)}
}

// anonymous is who has proved nothing.
const anonymous proto.Actor = "system:anonymous"

// serverLine is how the server begins a line about a connection.
var serverLine = regexp.MustCompile(`^(\S*) - cid:(\d+)`)

// refusedByServer records what the server refuses by itself, as it says in its
// log: who publishes or listens where he may not, and who does not get in. The
// name that a client gives itself is part of the line, and not to be trusted: who
// it is says the number of the connection.
func (a *Audit) refusedByServer(line string) {
	found := serverLine.FindStringSubmatch(line)
	if found == nil {
		return
	}
	r := refusal{who: anonymous}
	if host, _, err := net.SplitHostPort(found[1]); err == nil {
		r.source = host
	}
	conn, _ := strconv.ParseUint(found[2], 10, 64) // only digits
	id, known := a.cfg.Server.identities.behind(conn)
	if known {
		r.who = id.Actor()
	}
	what, subject := violation(line)
	switch {
	case !known && strings.Contains(line, natsd.ErrAuthentication.Error()):
		r.verb = "connect"
		r.err = apierrors.NewUnauthorized("the key is of no node or person that is known, or its token has been used")
	case what != "":
		r.verb, r.subject = what, subject
		r.err = fmt.Errorf("%s may not %s there", r.who, what)
	default:
		return
	}
	a.refused(r)
}

// violation reads where somebody published or subscribed who may not.
func violation(line string) (verb, subject string) {
	for said, verb := range map[string]string{"Publish Violation - ": "publish", "Subscription Violation": "subscribe"} {
		at := strings.LastIndex(line, said)
		if at < 0 {
			continue
		}
		_, quoted, found := strings.Cut(line[at:], " \"")
		if !found {
			return verb, ""
		}
		quoted, err := strconv.QuotedPrefix(`"` + quoted)
		if err == nil {
			subject, _ = strconv.Unquote(quoted)
		}
		return verb, subject
	}
	return "", ""
}
