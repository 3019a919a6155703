package explain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"segno/events"
	"segno/proto"
)

// clock is how times are written in sentences: with their zone, since the
// reader's is not known here.
const clock = "2006-01-02 15:04:05 MST"

// name is how people write an object: deployments/default/web.
func name(key proto.ObjectKey) string {
	if key.Namespace == "" {
		return key.Resource.Name + "/" + key.Name
	}
	return key.Resource.Name + "/" + key.Namespace + "/" + key.Name
}

// at is where in the log, and when.
func at(env *proto.Envelope) string {
	return fmt.Sprintf("%s (%s)", env.Seq, env.At.UTC().Format(clock))
}

// sinceWhen is when a run began, as far as is known.
func (r *run) sinceWhen() string {
	if r.whole {
		return "since " + at(r.began.Envelope)
	}
	return "since before " + at(r.began.Envelope)
}

// reasonFor is why a transaction says that it did something to an object.
func reasonFor(env *proto.Envelope, key proto.ObjectKey) string {
	reason := ""
	for i := range env.Events {
		if ev := &env.Events[i]; ev.Key == key {
			reason = cmp.Or(reason, ev.Reason)
		}
	}
	return reason
}

// asked is how a person's request, or a component, is named.
func asked(env *proto.Envelope) string {
	if env.Actor.Person() && env.Via != "" {
		return fmt.Sprintf("%s (%s)", env.Actor, env.Via)
	}
	return string(env.Actor)
}

// begins says where a chain of causes begins.
func begins(root *proto.Envelope, key proto.ObjectKey, lost bool) string {
	switch {
	case lost:
		return fmt.Sprintf("As far as the log goes back, it begins with %s by %s: what led to that is no longer kept.", at(root), root.Actor)
	case events.Undone(root) != 0:
		return fmt.Sprintf("It begins with a request of %s at %s, which takes back %s.", asked(root), at(root), events.Undone(root))
	case root.Actor.Person():
		return fmt.Sprintf("It begins with a request of %s at %s.", asked(root), at(root))
	case strings.Contains(root.Cause.Request, " of node "):
		return fmt.Sprintf("It begins with a failure at %s: %s.", at(root), root.Cause.Request)
	default:
		return fmt.Sprintf("It begins at %s with what %s saw: %s.", at(root), root.Actor, happened(root, key))
	}
}

// happened is what a transaction did, about the object before others.
func happened(env *proto.Envelope, key proto.ObjectKey) string {
	var best *proto.Event
	for i := range env.Events {
		if ev := &env.Events[i]; best == nil || (ev.Key == key && best.Key != key) {
			best = ev
		}
	}
	if best == nil {
		return env.Verb
	}
	text := best.Kind + " " + name(best.Key)
	if best.Reason != "" && best.Reason != best.Kind {
		text += " (" + best.Reason + ")"
	}
	return text
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// lasting is a duration for people.
func lasting(d time.Duration) string { return d.Round(time.Second).String() }

// colon joins what there is of a reason and a message.
func colon(parts ...string) string {
	var have []string
	for _, part := range parts {
		if part != "" {
			have = append(have, part)
		}
	}
	return strings.Join(have, ": ")
}

// requested tells whether the object's deletion was asked for.
func requested(obj events.Object) bool { return obj.GetDeletionTimestamp() != nil }

// trimmed is a message without its full stop.
func trimmed(text string) string { return strings.TrimSuffix(strings.TrimSpace(text), ".") }

// short is how people name an object to a command.
func short(key proto.ObjectKey) string {
	return strings.TrimSuffix(key.Resource.Name, "s") + "/" + key.Name
}
