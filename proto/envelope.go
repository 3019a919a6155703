package proto

import "time"

// Version is the envelope schema that Encode writes. Decode also reads every
// older one, through the upcasters of upcast.go.
const Version = 1

// MaxEnvelope is the largest encoded transaction in bytes (design: 4 MiB), and
// MaxObject the largest object, as in Kubernetes (1.5 MiB).
const (
	MaxEnvelope = 4 << 20
	MaxObject   = 3 << 19
)

// Envelope is one transaction: one message in the log, all or nothing.
// Everything the fold needs is in it; the fold never reads a clock.
type Envelope struct {
	Seq         Seq       // position in the log, known before the append: it is fenced
	Epoch       uint32    // which stream of the log holds it; 0 is the first
	Term        uint64    // leadership term of the writer
	At          time.Time // set by the sequencer; UTC, nanoseconds, never before its predecessor
	Actor       Actor
	Verb        string // create, update, patch, delete, bind, elect
	Cause       Cause
	Correlation string // request id at the root of the causal chain; shared by everything that followed
	Via         string // the command a person typed, as far as the client told ("kubectl apply"), or the component
	Prev        Hash   // hash of the encoded predecessor; zero on the first
	Events      []Event
}

// Cause is what led to a transaction: an earlier transaction, or a request
// from outside, which has no cause in the log.
type Cause struct {
	Seq     Seq    // 0 when the cause is a request
	Request string // request id; empty when the cause is a transaction
}

// Section says which part of an object an event carries, whole, as it is
// after the change.
type Section uint8

const (
	SectionSpec   Section = 1 // metadata and spec (or data): all but status
	SectionStatus Section = 2 // status alone
	SectionGone   Section = 3 // the object is deleted; no body
	SectionMark   Section = 4 // about the log itself, not an object; no body
)

// Name is the section in one word, for people.
func (s Section) Name() string {
	switch s {
	case SectionSpec:
		return "spec"
	case SectionStatus:
		return "status"
	case SectionGone:
		return "gone"
	case SectionMark:
		return "mark"
	default:
		return "unknown"
	}
}

// Encoding says how an event's body is written.
type Encoding uint8

const (
	EncodingNone     Encoding = 0 // no body
	EncodingProtobuf Encoding = 1 // the Kubernetes type's generated protobuf
	EncodingMsgpack  Encoding = 2 // a msgpack map (custom resources)
	EncodingSealed   Encoding = 3 // encrypted under KeyID; reserved
)

// Event is one past-tense fact about one object.
type Event struct {
	Kind     string // PodBound, DeploymentScaled, …: the closed set is in package events
	Reason   string // why, one CamelCase word
	Key      ObjectKey
	UID      string // of the object's incarnation; events for an old one are dropped
	Section  Section
	Encoding Encoding
	KeyID    string // key under which a sealed body is encrypted; empty otherwise
	Body     []byte
}

// Entry is an envelope together with the very bytes that lie in the log.
type Entry struct {
	Envelope *Envelope
	Encoded  []byte
	Hash     Hash // of Encoded
	// Redacted tells that something was taken out of the envelope: Hash is that of
	// the whole one, and the chain holds, but nobody can prove what was in it.
	Redacted bool
}

// Position is a place in a log: the newest transaction and its chain hash.
type Position struct {
	Seq  Seq
	Hash Hash
	Term uint64
	At   time.Time
}
