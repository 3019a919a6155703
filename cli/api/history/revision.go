package history

import (
	"segno/events"
	"segno/proto"
)

// List is the history of one object, oldest first.
type List struct {
	Object    Object     `json:"object"`
	Revisions []Revision `json:"revisions"`
	// More tells that there are older revisions than the limit let through.
	More bool `json:"more,omitempty"`
}

// Revision is one version of an object: the transaction that made it, and what
// it changed.
type Revision struct {
	Transaction
	UID     string   `json:"uid"`
	Created bool     `json:"created,omitempty"` // first of its incarnation
	Deleted bool     `json:"deleted,omitempty"`
	Changes []Change `json:"changes"`
}

// Version is a revision as the log has it.
type Version = events.Version

// Revisions shows versions, newest first as a projection answers them, oldest
// first, each compared with the one before it. When more is set the oldest one
// is only there to be compared with.
func Revisions(table *events.Table, stream string, versions []Version, more bool) ([]Revision, error) {
	out := make([]Revision, 0, len(versions))
	var before events.Object
	for i := len(versions) - 1; i >= 0; i-- {
		v := versions[i]
		revision := Revision{
			Transaction: Of(stream, v.Envelope, func(ev *proto.Event) bool { return ev.Key == v.Record.Key }),
			UID:         v.Record.UID, Created: v.Record.Created == v.Record.Seq, Deleted: v.Record.Deleted,
		}
		var after events.Object
		if !v.Record.Deleted {
			var err error
			if after, err = table.Decode(v.Record); err != nil {
				return nil, err
			}
		}
		if revision.Created {
			before = nil
		}
		if !v.Record.Deleted {
			var err error
			if revision.Changes, err = Diff(before, after); err != nil {
				return nil, err
			}
		}
		if revision.Changes == nil {
			revision.Changes = []Change{}
		}
		before = after
		if i < len(versions)-1 || !more {
			out = append(out, revision)
		}
	}
	return out, nil
}
