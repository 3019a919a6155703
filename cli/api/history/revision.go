package history

import (
	"time"

	"segno/events"
	"segno/proto"
)

// List is the history of one object, oldest first.
type List struct {
	Object    proto.Object `json:"object"`
	Revisions []Revision   `json:"revisions"`
	// More tells that there are older revisions than the limit let through, or
	// than one answer looks at; those before Next.
	More bool      `json:"more,omitempty"`
	Next proto.Seq `json:"next,omitempty"`
	// Earlier is the object's last change before the log begins, when it lived then.
	Earlier *Earlier `json:"earlier,omitempty"`
}

// Earlier is a change of an object that is not in the log: it lies before its
// beginning.
type Earlier struct {
	Seq  proto.Seq `json:"seq"`
	Time time.Time `json:"time"`
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

// Line is a revision of one object among those of many.
type Line struct {
	Object proto.Object `json:"object"`
	Revision
}

// Version is a revision as the log has it.
type Version = events.Version

// Step is a version with the one before it; Before is nil when there was none.
type Step struct {
	Version
	Before *events.Record
}

// Revisions shows versions, newest first as a projection answers them, oldest
// first, each compared with the one before it: those that the filter keeps.
// When more is set the oldest one is only there to be compared with.
func Revisions(table *events.Table, stream string, versions []Version, more bool, filter Filter) ([]Revision, error) {
	out := make([]Revision, 0, len(versions))
	var before events.Object
	for i := len(versions) - 1; i >= 0; i-- {
		after, err := living(table, versions[i].Record)
		if err != nil {
			return nil, err
		}
		if i < len(versions)-1 || !more {
			revision, kept, err := revisionOf(table, stream, versions[i], before, after, filter)
			if err != nil {
				return nil, err
			}
			if kept {
				out = append(out, revision)
			}
		}
		before = after
	}
	return out, nil
}

// LineOf shows a step; ok is false when the filter does not keep it.
func LineOf(table *events.Table, stream string, step Step, filter Filter) (line Line, ok bool, err error) {
	before, err := living(table, step.Before)
	if err != nil {
		return line, false, err
	}
	after, err := living(table, step.Record)
	if err != nil {
		return line, false, err
	}
	line.Object = proto.ObjectOf(step.Record.Key)
	line.Revision, ok, err = revisionOf(table, stream, step.Version, before, after, filter)
	return line, ok, err
}

// living decodes a record; nil when there is none, or the object had ended.
func living(table *events.Table, rec *events.Record) (events.Object, error) {
	if rec == nil || rec.Deleted {
		return nil, nil
	}
	return table.Decode(rec)
}

func revisionOf(table *events.Table, stream string, v Version, before, after events.Object, filter Filter) (Revision, bool, error) {
	out := Revision{
		Transaction: Of(stream, v.Envelope, func(ev *proto.Event) bool { return ev.Key == v.Record.Key }),
		UID:         v.Record.UID, Created: v.Record.Created == v.Record.Seq, Deleted: v.Record.Deleted, Changes: []Change{},
	}
	if !filter.actor(out.Actor) {
		return out, false, nil
	}
	if out.Created {
		before = nil
	}
	changes, err := Diff(before, after)
	if err != nil || !filter.fields(changes) {
		return out, false, err
	}
	given := changes
	if out.Deleted && filter.Reason != "" {
		if given, err = lastReport(table, v.Record, before); err != nil {
			return out, false, err
		}
	}
	if !filter.reasons(out.Events, given) {
		return out, false, nil
	}
	if !out.Deleted && len(changes) > 0 {
		out.Changes = changes // what is gone with its object is not listed
	}
	return out, true, nil
}

// lastReport is what was reported of an object together with its end.
func lastReport(table *events.Table, ended *events.Record, before events.Object) ([]Change, error) {
	last, err := table.Decode(ended)
	if err != nil {
		return nil, err
	}
	return Diff(before, last)
}

// Difference is an object as of two moments; nil where it did not live then.
type Difference struct {
	Key    proto.ObjectKey
	Before *events.Record
	After  *events.Record
}
