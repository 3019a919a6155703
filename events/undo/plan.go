package undo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Plan says what would be done, and what not.
type Plan struct {
	// Undo are the transactions to take back, newest first; of a restore there are
	// none.
	Undo []proto.Seq `json:"undo,omitempty"`
	// Restore is the moment to go back to, and what goes back.
	Restore *Scope `json:"restore,omitempty"`
	// Based is the newest transaction of the state that was looked at.
	Based proto.Seq `json:"based"`
	// Digest names the plan: equal ones do the same.
	Digest    string     `json:"digest"`
	Steps     []Step     `json:"steps"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Left is what stays as it is although it was asked for, and why.
	Left []Note `json:"left,omitempty"`
	// Already says, of a plan that has nothing to do, since when that is so and by
	// whom.
	Already []Note `json:"already,omitempty"`
	// Lost is what cannot come back.
	Lost []Note `json:"lost,omitempty"`
	// Refused says why the plan cannot be carried out, in the words of admission.
	Refused string `json:"refused,omitempty"`
	// Done are the transactions that carried it out; none of a plan alone.
	Done []proto.Seq `json:"done,omitempty"`
}

// Scope is what a restore is about: a namespace, or one object.
type Scope struct {
	At     proto.Seq    `json:"at"`
	Object proto.Object `json:"object"`
}

// Step is what becomes of one object.
type Step struct {
	Verb    string          `json:"verb"` // create, update or delete
	Object  proto.Object    `json:"object"`
	UID     string          `json:"uid,omitempty"` // of the object that is updated or deleted
	Changes []fields.Change `json:"changes,omitempty"`

	kind    *events.Kind
	version string        // that the step was planned on
	object  events.Object // as it will be; nil when it goes
}

// Conflict is a field that was changed again since.
type Conflict struct {
	Object proto.Object `json:"object"`
	Path   string       `json:"path,omitempty"` // empty: the object as a whole
	// Old is the value that is taken back to, Now the one that somebody set since.
	Old json.RawMessage `json:"old,omitempty"`
	Now json.RawMessage `json:"now,omitempty"`
	By  *Author         `json:"by,omitempty"`
	// Forced tells that the old value is taken all the same.
	Forced bool `json:"forced,omitempty"`
}

// Author is who changed something since, and with which transaction.
type Author struct {
	Seq   proto.Seq   `json:"seq"`
	Actor proto.Actor `json:"actor"`
	Time  time.Time   `json:"time"`
	Via   string      `json:"via,omitempty"`
}

// Note says something about an object; of the plan as a whole it names none.
type Note struct {
	Object *proto.Object `json:"object,omitempty"`
	Text   string        `json:"text"`
}

// Empty tells whether the plan would change nothing.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Objects are all that the plan mentions, each with the verb that it needs, or
// "get".
func (p *Plan) Objects() map[proto.Object]string {
	out := map[proto.Object]string{}
	for _, c := range p.Conflicts {
		out[c.Object] = "get"
	}
	for _, notes := range [][]Note{p.Left, p.Lost, p.Already} {
		for _, n := range notes {
			if n.Object != nil {
				out[*n.Object] = "get"
			}
		}
	}
	for i := range p.Steps {
		out[p.Steps[i].Object] = p.Steps[i].Verb
	}
	return out
}

// sign names the plan. The position it was made at does not count: statuses move
// on all the time.
func (p *Plan) sign() error {
	bare := *p
	bare.Based, bare.Digest, bare.Done = 0, "", nil
	data, err := json.Marshal(bare)
	if err != nil {
		return fmt.Errorf("name the plan: %w", err)
	}
	sum := sha256.Sum256(data)
	p.Digest = hex.EncodeToString(sum[:16])
	return nil
}
