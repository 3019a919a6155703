package replicaset

import (
	"time"

	"segno/events"
	"segno/proto"
	"segno/reconcilers"
)

// Refused says the first thing that was refused in the ReplicaSet's status, where
// its Deployment sees it, and in a note.
func (Reconciler) Refused(view events.View, key reconcilers.Key, refusals []reconcilers.Refusal, at time.Time) (d reconcilers.Decision, err error) {
	if key.Resource != reconcilers.ReplicaSets {
		return d, nil // an adoption that is not allowed leaves the pod as it was
	}
	s, err := newSurvey(view, key)
	if err != nil || s == nil {
		return d, err
	}
	for _, r := range refusals {
		reason, text := explain(r)
		if reason == "" {
			continue
		}
		note := s.note(reason, text, proto.ObjectKey{})
		note.Warning = true
		d.Notes = append(d.Notes, note)
		s.report(&d, s.failing(reason, text, at), at)
		return d, nil
	}
	return d, nil
}

// explain puts a refusal in Kubernetes' words; "" for what is about its own
// status, or about a pod that it let go.
func explain(r reconcilers.Refusal) (reason, text string) {
	switch r.Command.Action.(type) {
	case events.Create:
		return "FailedCreate", "Error creating: " + r.Err.Error()
	case events.Delete:
		return "FailedDelete", "Error deleting: " + r.Err.Error()
	default:
		return "", ""
	}
}

// note tells about the ReplicaSet, once the command on the needed object is
// accepted.
func (s *survey) note(reason, message string, needs proto.ObjectKey) reconcilers.Note {
	return reconcilers.Note{
		About: reconcilers.About(reconcilers.ReplicaSetKind, s.rs), Reason: reason, Message: message, Needs: needs,
	}
}

// spelledOut is how many similar notes are told one by one.
const spelledOut = 10

// abridged tells the first notes one by one, and counts the rest in one.
func abridged(notes []reconcilers.Note) []reconcilers.Note {
	if len(notes) <= spelledOut {
		return notes
	}
	rest := notes[spelledOut]
	rest.Message = "(combined from similar events): " + rest.Message
	rest.Count = int32(len(notes) - spelledOut)
	return append(notes[:spelledOut:spelledOut], rest)
}
