package diffs

import (
	"time"

	"segno/cli/api/history"
	"segno/proto"
)

// Line is one document of an answer: first the span, then the objects in the
// order of their last changes, at the end the counts.
type Line struct {
	Span   *Span   `json:"span,omitempty"`
	Object *Object `json:"object,omitempty"`
	Stat   *Stat   `json:"stat,omitempty"`
}

// Moment is a place in the log: what is compared is as of then.
type Moment struct {
	Seq  proto.Seq `json:"seq"`
	Time time.Time `json:"time"`
}

// Span is what lies between the two moments, and what is not known of it.
type Span struct {
	From Moment `json:"from"`
	To   Moment `json:"to"`
	Gaps []Gap  `json:"gaps,omitempty"`
	// Fork tells that To is the fork of that name, and From the cluster as it is.
	Fork string `json:"fork,omitempty"`
}

// Sort says why something is not known.
type Sort string

// The sorts of gaps.
const (
	Unrecorded Sort = "unrecorded" // the log begins later
	Stopped    Sort = "stopped"    // the control plane did not run, at least for a part
	Silent     Sort = "silent"     // a node was not heard: nor its pods' statuses
)

// Gap is a time of which not everything is known.
type Gap struct {
	Sort Sort           `json:"sort"`
	Node proto.NodeName `json:"node,omitempty"`
	From Moment         `json:"from"`
	To   Moment         `json:"to,omitzero"` // absent when it lasted beyond the span
}

// Change says what became of an object.
type Change string

// What can become of an object.
const (
	Created  Change = "created"
	Deleted  Change = "deleted"
	Replaced Change = "replaced" // by another one of the same name
	Changed  Change = "changed"
	Passed   Change = "passed" // it came and went in between
)

// Object is one that differs. A part in which nothing differs is absent.
type Object struct {
	proto.Object
	Change  Change           `json:"change"`
	Before  *Moment          `json:"before,omitempty"` // of its version then
	After   *Moment          `json:"after,omitempty"`
	Spec    *Part            `json:"spec,omitempty"` // with the metadata, and what else is not status
	Status  *Part            `json:"status,omitempty"`
	Changes []history.Change `json:"changes,omitempty"`
}

// Part is a section as YAML, compared line by line.
type Part struct {
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Unified string `json:"unified,omitempty"`
}

// Stat counts the objects, and the lines of their parts.
type Stat struct {
	Objects  int `json:"objects"` // that differ
	Created  int `json:"created"`
	Deleted  int `json:"deleted"`
	Replaced int `json:"replaced"`
	Changed  int `json:"changed"`
	Passed   int `json:"passed"` // not among Objects
	Added    int `json:"added"`
	Removed  int `json:"removed"`
}

// Count adds an object.
func (s *Stat) Count(o *Object) {
	if s.Objects++; o.Change == Passed {
		s.Objects--
	}
	*map[Change]*int{Created: &s.Created, Deleted: &s.Deleted, Replaced: &s.Replaced, Changed: &s.Changed, Passed: &s.Passed}[o.Change]++
	for _, part := range []*Part{o.Spec, o.Status} {
		if part != nil {
			s.Added += part.Added
			s.Removed += part.Removed
		}
	}
}
