package events

import (
	"bytes"
	"fmt"
	"strings"

	"segno/proto"
)

// change is what an action does to one object: before is nil when it is
// created, after when it is gone.
type change struct {
	kind   *Kind
	key    proto.ObjectKey
	before Object
	after  Object
}

// conclude makes the decision of a change: an event for each section whose
// bytes differ, none when nothing does.
func (d *decider) conclude(verb string, c change) (Decision, error) {
	list, err := d.eventsOf(c)
	if err != nil {
		return Decision{}, err
	}
	decision := Decision{Verb: verb, Events: list, Object: c.after, Created: c.before == nil}
	switch {
	case c.after == nil:
		decision.Object, decision.Deleted = Copy(c.before), true
		decision.Touched = []Touched{{Key: c.key}}
	case len(list) == 0:
		decision.Object = c.before
	default:
		decision.Touched = []Touched{{Key: c.key, Object: c.after}}
	}
	return decision, nil
}

func (d *decider) eventsOf(c change) ([]proto.Event, error) {
	if c.after == nil {
		return []proto.Event{d.event(c, proto.SectionGone, nil)}, nil
	}
	is, err := c.kind.Encode(c.after)
	if err != nil {
		return nil, err
	}
	if is.Size() > proto.MaxObject {
		return nil, tooLarge(c.key, is.Size(), proto.MaxObject)
	}
	var was Sections
	if c.before != nil {
		was, err = c.kind.Encode(c.before)
	} else if c.kind.HasStatus {
		was.Status, err = c.kind.emptyStatus()
	}
	if err != nil {
		return nil, err
	}
	var list []proto.Event
	if c.before == nil || !bytes.Equal(was.Spec, is.Spec) {
		list = append(list, d.event(c, proto.SectionSpec, is.Spec))
	}
	if !bytes.Equal(was.Status, is.Status) {
		list = append(list, d.event(c, proto.SectionStatus, is.Status))
	}
	return list, nil
}

// emptyStatus is the status section of an object that has none yet.
func (k *Kind) emptyStatus() ([]byte, error) {
	s, err := k.Encode(k.New())
	return s.Status, err
}

func (d *decider) event(c change, section proto.Section, body []byte) proto.Event {
	subject := c.after
	if subject == nil {
		subject = c.before
	}
	fact, why := d.table.nameChange(c.kind, c.before, c.after, section)
	e := proto.Event{
		Kind:    string(fact),
		Reason:  d.reason(why),
		Key:     c.key,
		UID:     string(subject.GetUID()),
		Section: section,
		Body:    body,
	}
	if section != proto.SectionGone {
		e.Encoding = proto.EncodingProtobuf
	}
	return e
}

// reason says why in one word: as the command does, or the kind, or else by
// who asked.
func (d *decider) reason(kinds string) string {
	switch {
	case d.cmd.Reason != "":
		return d.cmd.Reason
	case kinds != "":
		return kinds
	case strings.HasPrefix(string(d.cmd.Actor), "node:"):
		return "Reported"
	case strings.HasPrefix(string(d.cmd.Actor), "system:"):
		return "Reconciled"
	default:
		return "Requested"
	}
}

// sized refuses a transaction that does not fit into one message.
func sized(list []proto.Event) error {
	size := 0
	for i := range list {
		size += len(list[i].Body) + 256
	}
	if size > proto.MaxEnvelope {
		return tooLarge(text("the transaction"), size, proto.MaxEnvelope)
	}
	return nil
}

type text string

func (t text) String() string { return string(t) }

var _ fmt.Stringer = text("")
