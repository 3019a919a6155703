package proto

import (
	"fmt"
	"strconv"
	"strings"
)

// Stream names. EVENTS is the truth; NOTES keeps Kubernetes Event objects for
// a while; LEASES lives in memory and is forgotten with the process. AUDIT has
// what was asked, and what came of it.
const (
	StreamEvents = "EVENTS"
	StreamNotes  = "NOTES"
	StreamLeases = "LEASES"
	StreamAudit  = "AUDIT"
)

// Every subject of the bus comes from a function of this file:
//
//	ev.<group>.<resource>.<namespace>           the log, by its transaction's first object
//	ev<n>.<group>.<resource>.<namespace>        the same in the log's epoch n, from 1 on
//	nt.… and ls.…                               the same for notes and leases
//	au.requests                                 what was asked, for the audit
//	feed.<group>.<resource>.<namespace>.<name>  durable events, for plain NATS clients
//	cmd.<user>.dial                             a person opens a connection to the API
//	sts.<node>.report | sync | shared | beat | register  a node calls the control plane
//	node.<node>.dial | want                     the control plane calls a node
//	shared.want                                 the control plane tells all nodes
//	cmd.<user>.tunnel.<id>                      frames of an open connection: to the API,
//	node.<node>.tunnel.<id>                     to a node,
//	sts.<node>.tunnel.<id>                      and back from it
//	join.<token id>                             a machine asks to become a node
//	_INBOX_<identity>.>                         private replies
//
// The second token of cmd, sts and _INBOX_ is pinned by the server's
// permissions: it is the authenticated actor.

// token makes one subject token of any text: NATS forbids dots, white space
// and wildcards in one. "" becomes "-", and "-" itself "%2D", so that no two
// texts share a token.
func token(text string) string {
	if text == "" {
		return "-"
	}
	if text != "-" && !strings.ContainsFunc(text, special) {
		return text
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			b.WriteByte('_')
		case special(rune(c)), text == "-":
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// special tells what cannot stand in a token as it is: what NATS forbids, what
// the escape uses itself, and everything outside printable ASCII.
func special(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(".*>%_", c)
}

// Untoken reads a node name or user back out of a subject token.
func Untoken(tok string) string {
	if tok == "-" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(tok); i++ {
		switch {
		case tok[i] == '_':
			b.WriteByte('.')
		case tok[i] == '%' && i+2 < len(tok):
			b.WriteByte(unhex(tok[i+1])<<4 | unhex(tok[i+2]))
			i += 2
		default:
			b.WriteByte(tok[i])
		}
	}
	return b.String()
}

func unhex(c byte) byte {
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}

// EpochStream is the stream of one epoch of a log: EVENTS, then EVENTS_1 and so on.
func EpochStream(log string, epoch uint32) string {
	if epoch == 0 {
		return log
	}
	return log + "_" + strconv.FormatUint(uint64(epoch), 10)
}

// ParseEpoch tells which epoch of a log a stream is, if it is one.
func ParseEpoch(log, stream string) (epoch uint32, ok bool) {
	digits, found := strings.CutPrefix(stream, log+"_")
	if !found {
		return 0, stream == log
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	epoch = uint32(n)
	return epoch, err == nil && EpochStream(log, epoch) == stream
}

// streamPrefix is the first token of a stream's subjects. Each epoch has its
// own: two streams cannot share subjects.
func streamPrefix(stream string) string {
	log, epoch, _ := strings.Cut(stream, "_")
	switch log {
	case StreamNotes:
		return "nt" + epoch
	case StreamLeases:
		return "ls" + epoch
	case StreamAudit:
		return "au" + epoch
	default:
		return "ev" + epoch
	}
}

// LogSubject is where a transaction on the given object is appended. Names
// stay out: each distinct subject costs the server memory for ever.
func LogSubject(stream string, key ObjectKey) string {
	return streamPrefix(stream) + "." + token(key.Group) + "." + token(key.Resource.Name) + "." + token(key.Namespace)
}

// LogSubjects matches everything in the stream.
func LogSubjects(stream string) string { return streamPrefix(stream) + ".>" }

// AuditSubject is where requests that were answered are recorded.
const AuditSubject = "au.requests"

// FeedSubjects matches the whole feed.
const FeedSubjects = "feed.>"

// FeedSubject is where an event is published once it is durable.
func FeedSubject(key ObjectKey) string {
	return "feed." + token(key.Group) + "." + token(key.Resource.Name) + "." + token(key.Namespace) + "." + token(key.Name)
}

// UserDial is where the user opens connections to the API.
func UserDial(user string) string { return "cmd." + token(user) + ".dial" }

// UserSubjects is everything a user may publish to.
func UserSubjects(user string) string { return "cmd." + token(user) + ".>" }

// NodeReports is everything a node may publish to.
func NodeReports(n NodeName) string { return "sts." + token(string(n)) + ".>" }

// NodeCalls is everything a node hears.
func NodeCalls(n NodeName) string { return "node." + token(string(n)) + ".>" }

// AnyUserDial matches UserDial of everyone; the user is token 1.
const AnyUserDial = "cmd.*.dial"

// NodeReport is where a node sends statuses.
func NodeReport(n NodeName) string { return "sts." + token(string(n)) + ".report" }

// NodeSync is where a node asks for everything that it should run.
func NodeSync(n NodeName) string { return "sts." + token(string(n)) + ".sync" }

// NodeShared is where a node asks for everything that all nodes are told.
func NodeShared(n NodeName) string { return "sts." + token(string(n)) + ".shared" }

// NodeBeat is where a node says that it is alive.
func NodeBeat(n NodeName) string { return "sts." + token(string(n)) + ".beat" }

// NodeRegister is where a node says what it is: the Node object.
func NodeRegister(n NodeName) string { return "sts." + token(string(n)) + ".register" }

// AnyNode matches the given last token ("report", "sync", "shared", "beat", "register") of all
// nodes; the node is token 1.
func AnyNode(what string) string { return "sts.*." + what }

// NodeDial is where the control plane opens connections to a node.
func NodeDial(n NodeName) string { return "node." + token(string(n)) + ".dial" }

// NodeWant is where the control plane relays what a node should run.
func NodeWant(n NodeName) string { return "node." + token(string(n)) + ".want" }

// SharedWant is where the control plane tells all nodes at once.
const SharedWant = "shared.want"

// TunnelSubjects answers where the frames of one connection go that was asked
// for at the dial subject: forth to who accepted, and back to who dialled. Both
// follow from the dial subject's pinned token, so that nobody can point one at
// a subject that is not his.
func TunnelSubjects(dial, id string) (forth, back string, err error) {
	parts := strings.Split(dial, ".")
	if len(parts) != 3 || parts[2] != "dial" || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || id == "" || len(id) > 64 {
		return "", "", fmt.Errorf("%w: connection %q at %q", ErrMalformed, id, dial)
	}
	forth = parts[0] + "." + parts[1] + ".tunnel." + id
	switch parts[0] {
	case "cmd":
		return forth, Inbox(string(UserActor(Untoken(parts[1])))) + ".tunnel." + id, nil
	case "node":
		return forth, "sts." + parts[1] + ".tunnel." + id, nil
	default:
		return "", "", fmt.Errorf("%w: connection %q at %q", ErrMalformed, id, dial)
	}
}

// Pinned is the authenticated name in a subject of cmd, sts or node: its
// second token.
func Pinned(subject string) string {
	_, rest, _ := strings.Cut(subject, ".")
	tok, _, _ := strings.Cut(rest, ".")
	return Untoken(tok)
}

// Join is where the holder of a join token asks for a credential.
func Join(tokenID string) string { return "join." + token(tokenID) }

// AnyJoin matches Join of every token; the id is token 1.
const AnyJoin = "join.*"

// Inbox is the private reply prefix of an identity.
func Inbox(identity string) string { return "_INBOX_" + token(identity) }
