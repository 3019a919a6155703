package proto

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// AuditEvent is one request and what came of it. Its fields are those of the
// Event of audit.k8s.io/v1, so that tools know them; nothing of bodies is in it.
type AuditEvent struct {
	// Kind, APIVersion and Level are always the same: the stream leaves them out.
	Kind            string            `json:"kind,omitempty"`
	APIVersion      string            `json:"apiVersion,omitempty"`
	Level           string            `json:"level,omitempty"`
	AuditID         string            `json:"auditID"` // of the request; also its Audit-Id header, and the correlation of what it changed
	Stage           AuditStage        `json:"stage"`
	RequestURI      string            `json:"requestURI,omitempty"` // of a request over the bus: "nats:" and the subject
	Verb            string            `json:"verb"`
	User            AuditUser         `json:"user"`
	SourceIPs       []string          `json:"sourceIPs,omitempty"`
	UserAgent       string            `json:"userAgent,omitempty"`
	ObjectRef       *AuditObject      `json:"objectRef,omitempty"`
	ResponseStatus  *AuditStatus      `json:"responseStatus,omitempty"`
	RequestReceived AuditTime         `json:"requestReceivedTimestamp"`
	StageAt         AuditTime         `json:"stageTimestamp"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// AuditStage is how far a request was when the event was made.
type AuditStage string

// The stages that are recorded: a request is recorded once it has been answered,
// and streams into containers also when they begin.
const (
	AuditReceived AuditStage = "RequestReceived"
	AuditComplete AuditStage = "ResponseComplete"
	AuditPanic    AuditStage = "Panic"
)

// Annotations of audit events.
const (
	AuditSequence     = "segno/sequence"     // of the transactions that the request made
	AuditTransactions = "segno/transactions" // how many, when not all are named
	AuditLog          = "segno/log"          // theirs, when it is not EVENTS
	AuditAt           = "segno/at"           // the moment that was asked for
	AuditVia          = "segno/via"          // the command line, as far as the client tells
	AuditQuestion     = "segno/question"     // of history.segno, about the object
	AuditAnswered     = "segno/answered"     // the code that the client saw, when the answer was cut off after it
	AuditBus          = "segno/bus"          // who asked over the bus
	AuditDryRun       = "segno/dry-run"
	AuditCount        = "segno/count"                   // how many refused requests the event stands for, from when the first was received to the event's stage
	AuditVaried       = "segno/varied"                  // what they do not have in common, and the event leaves out: of object,verb,user,source
	AuditDecision     = "authorization.k8s.io/decision" // allow or forbid
)

// AuditUser is who asked.
type AuditUser struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups,omitempty"`
}

// AuditObject is what a request was about.
type AuditObject struct {
	Resource    string `json:"resource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	APIGroup    string `json:"apiGroup,omitempty"`
	APIVersion  string `json:"apiVersion,omitempty"`
	Subresource string `json:"subresource,omitempty"`
}

// String is "deployments.apps/default/web", with a subresource behind it.
func (o *AuditObject) String() string {
	parts := []string{Resource{Group: o.APIGroup, Name: o.Resource}.String()}
	for _, part := range []string{o.Namespace, o.Name, o.Subresource} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// AuditStatus is what came of a request: Status is "Failure" or empty.
type AuditStatus struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Code    int32  `json:"code,omitempty"`
}

// AuditTime is a time with microseconds, as Kubernetes writes them.
type AuditTime struct{ time.Time }

const auditTimeFormat = "2006-01-02T15:04:05.000000Z"

// MarshalJSON implements json.Marshaler.
func (t AuditTime) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(make([]byte, 0, len(auditTimeFormat)+2), `"`+auditTimeFormat+`"`), nil
}

// AuditSpan is a part of what was recorded: by the time of the stage, both ends
// included; zero is none.
type AuditSpan struct {
	Since, Until time.Time
	Limit        int  // only the newest so many of what is there; 0 is all
	Follow       bool // and what is recorded from now on
}

// AuditExtent is how far back the recorded requests reach.
type AuditExtent struct {
	Oldest   time.Time     // zero when nothing is recorded
	Dropped  uint64        // events before that, which are not kept any more
	Keep     time.Duration // how long they are kept,
	MaxBytes int64         // and in how many bytes at most
	// Damage is what was found to be wrong with them since the server's start, ""
	// for nothing; Found is when, and Advice what to do.
	Damage string
	Found  time.Time
	Advice string
}

// AuditProof is what a check of the stream's hash chain found.
type AuditProof struct {
	Position
	Messages uint64
	Events   uint64
	Records  uint64 // of the messages that were compared byte for byte on disk; none in memory
	At       Seq    // a message that was asked about; 0 when it is not there
	AtHash   Hash   // of that one
	Problem  string // "" when all is well
}

// auditVersion is the form of messages that EncodeAudit writes.
const auditVersion = 1

// AuditHead is the first line of a message of the stream AUDIT; an event a line
// follows it.
type AuditHead struct {
	Version int    `json:"v"`
	Seq     Seq    `json:"seq"`    // its own place in the stream
	Before  uint64 `json:"before"` // events in all messages before it
	Count   int    `json:"count"`  // events in this one
	Prev    string `json:"prev"`   // hash of the message before it, in hexadecimal
}

// EncodeAudit makes a message of events that follow prev.
func EncodeAudit(seq Seq, prev Hash, before uint64, events []*AuditEvent) ([]byte, error) {
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(AuditHead{Version: auditVersion, Seq: seq, Before: before, Count: len(events), Prev: hex.EncodeToString(prev[:])}); err != nil {
		return nil, fmt.Errorf("encode the head of an audit message: %w", err)
	}
	for _, event := range events {
		if err := lines.Encode(event); err != nil {
			return nil, fmt.Errorf("encode the audit event %s: %w", event.AuditID, err)
		}
	}
	return out.Bytes(), nil
}

// DecodeAudit reads a message of the stream.
func DecodeAudit(data []byte) (head AuditHead, events []*AuditEvent, err error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(first, &head); err != nil {
		return head, nil, fmt.Errorf("%w: head of an audit message: %w", ErrMalformed, err)
	}
	if head.Version != auditVersion {
		return head, nil, fmt.Errorf("%w: an audit message of version %d; this segno reads %d", ErrMalformed, head.Version, auditVersion)
	}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		event := &AuditEvent{}
		if err := json.Unmarshal(line, event); err != nil {
			return head, events, fmt.Errorf("%w: audit event: %w", ErrMalformed, err)
		}
		event.Kind, event.APIVersion, event.Level = "Event", "audit.k8s.io/v1", "Metadata"
		events = append(events, event)
	}
	if len(events) != head.Count {
		return head, events, fmt.Errorf("%w: an audit message of %d events says that it has %d", ErrMalformed, len(events), head.Count)
	}
	return head, events, nil
}
