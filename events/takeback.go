package events

import (
	"slices"

	"segno/proto"
)

// The reasons of the events of a person's transaction that takes something back.
// One that undoes has the newest of the undone transactions as its cause, which
// links them; a restore is a request, and follows from nothing in the log.
const (
	ReasonUndone   = "Undone"
	ReasonRestored = "Restored"
)

// Undone is the transaction that another one, by a person, takes back; 0 when it
// takes none back.
func Undone(env *proto.Envelope) proto.Seq {
	if env.Actor.Person() && hasReason(env, ReasonUndone) {
		return env.Cause.Seq
	}
	return 0
}

// TakesBack tells whether a person's transaction is an undo or a restore. A person
// who does something because of a transaction does nothing else, whatever the
// reasons say: logs have restores that name one.
func TakesBack(env *proto.Envelope) bool {
	return env.Actor.Person() && (env.Cause.Seq != 0 || hasReason(env, ReasonUndone) || hasReason(env, ReasonRestored))
}

func hasReason(env *proto.Envelope, reason string) bool {
	return slices.ContainsFunc(env.Events, func(ev proto.Event) bool { return ev.Reason == reason })
}
