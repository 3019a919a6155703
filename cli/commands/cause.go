package commands

import (
	"strconv"
	"strings"

	"segno/cli/api/history"
)

// revisionPath is where a Deployment says which revision its template is.
const revisionPath = "metadata.annotations[deployment.kubernetes.io/revision]"

// causesOf finds, in the history of a Deployment, what each revision of its
// template goes back to: the newest change of the template before the revision
// was given out. For an undo that is the undo.
func causesOf(revisions []history.Revision) map[int64]string {
	out := map[int64]string{}
	cause := ""
	for _, r := range revisions {
		if r.Created || r.Deleted {
			clear(out) // another Deployment of the same name
		}
		var template []history.Change
		given := int64(0)
		for _, change := range r.Changes {
			switch {
			case strings.HasPrefix(change.Path, "spec.template."):
				template = append(template, change)
			case change.Path == revisionPath:
				given, _ = strconv.ParseInt(plain(change.New), 10, 64)
			}
		}
		if len(template) > 0 {
			cause = causeText(r, template)
		}
		if given > 0 {
			out[given] = cause
		}
	}
	return out
}

// causeText is who did it and with which command; what changed, where the
// command does not say it.
func causeText(r history.Revision, template []history.Change) string {
	text := string(r.Actor) + ": "
	if r.Via == "" {
		text += r.Verb
	} else {
		text += r.Via
	}
	if strings.HasPrefix(r.Via, program+" ") || r.Created {
		return text
	}
	return text + " (" + summary(template, 1) + ")"
}
