package bus

import (
	"net/http"
	"net/netip"
	"strings"

	"segno/proto"
)

// Levels of what refusals have in common to be counted together.
const (
	floodExact  = iota // actor, source, verb, object and code
	floodVerb          // all but the object: this client is refused many
	floodSource        // actor, source and code
	floodCode          // the code: there are many clients
	floodLevels
)

// floodVaried is what is not the same of all that are counted together.
var floodVaried = [floodLevels]string{"", "object", "object,verb", "object,verb,user,source"}

// floodClient is who is refused. What is missing counts by itself: who applies many
// objects asks for them first.
type floodClient struct {
	actor, bus, source string
	missing            bool
}

// floodKey is what equal refusals have in common.
type floodKey struct {
	level  int
	client floodClient
	code   int32
	verb   string
	object proto.AuditObject
	path   string // when there is no object
}

// floodKeyOf is the key of a refusal; ok is false for what is none, or has changed
// something all the same.
func floodKeyOf(event *proto.AuditEvent) (key floodKey, ok bool) {
	status := event.ResponseStatus
	if status == nil || event.Stage != proto.AuditComplete || event.Annotations[proto.AuditSequence] != "" || event.Annotations[proto.AuditAnswered] != "" {
		return key, false
	}
	if status.Code < http.StatusBadRequest || status.Code >= 499 { // the last is of who left
		return key, false
	}
	key.client = floodClient{
		actor: event.User.Username, bus: event.Annotations[proto.AuditBus], source: network(strings.Join(event.SourceIPs, ",")),
		missing: status.Code == http.StatusNotFound,
	}
	key.code = status.Code
	key.verb = strings.Join([]string{event.Verb, event.Annotations[proto.AuditQuestion], event.Annotations[proto.AuditDryRun]}, " ")
	if event.ObjectRef != nil {
		key.object = *event.ObjectRef
	} else {
		key.path, _, _ = strings.Cut(event.RequestURI, "?")
	}
	return key, true
}

// network is the address, or of IPv6 what one client has at least.
func network(source string) string {
	addr, err := netip.ParseAddr(source)
	if err != nil || addr.Is4() {
		return source
	}
	const own = 64
	return netip.PrefixFrom(addr, own).Masked().String()
}

// at is the key with what counts at a level.
func (k floodKey) at(level int) floodKey {
	out := k
	out.level = level
	if level >= floodVerb {
		out.object, out.path = proto.AuditObject{}, ""
	}
	if level >= floodSource {
		out.verb = ""
	}
	if level >= floodCode {
		out.client = floodClient{}
	}
	return out
}
