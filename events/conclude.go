package events

import (
	"bytes"

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
	if err := d.restrict(c); err != nil {
		return Decision{}, err
	}
	list, err := d.eventsOf(c)
	if err != nil {
		return Decision{}, err
	}
	decision := Decision{Verb: verb, Events: list, Object: c.after, Created: c.before == nil}
	switch {
	case c.after == nil:
		decision.Object, decision.Deleted = shallow(c.before), true
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
		return wire(d.head(c, proto.SectionGone).ended()), nil
	}
	is, err := c.kind.Encode(c.after)
	if err != nil {
		return nil, err
	}
	if is.Size() > proto.MaxObject {
		return nil, tooLarge(c.key.String(), is.Size(), proto.MaxObject)
	}
	was, err := c.sectionsBefore()
	if err != nil {
		return nil, err
	}
	var list []Event
	if c.before == nil || !bytes.Equal(was.Spec, is.Spec) {
		list = append(list, d.head(c, proto.SectionSpec).specified(is.Spec))
	}
	if !bytes.Equal(was.Status, is.Status) {
		list = append(list, d.head(c, proto.SectionStatus).observed(is.Status))
	}
	return wire(list...), nil
}

// sectionsBefore are those of the object before; a status section that was
// never written is the empty status.
func (c *change) sectionsBefore() (Sections, error) {
	switch {
	case c.before != nil:
		return c.kind.Encode(c.before)
	case c.kind.HasStatus:
		s, err := c.kind.Encode(c.kind.New())
		return Sections{Status: s.Status}, err
	default:
		return Sections{}, nil
	}
}

// wire puts events into the form in which they are appended.
func wire(list ...Event) []proto.Event {
	var out []proto.Event
	for _, e := range list {
		out = append(out, *e.Wire())
	}
	return out
}

func (d *decider) head(c change, section proto.Section) head {
	subject := c.after
	if subject == nil {
		subject = c.before
	}
	fact, why := d.table.nameChange(c.kind, c.before, c.after, section)
	return head{fact: fact, reason: d.reason(why), key: c.key, uid: string(subject.GetUID())}
}

// reason says why in one word: as the command does, or the kind, or else by
// who asked.
func (d *decider) reason(kinds string) string {
	switch {
	case d.cmd.Reason != "":
		return d.cmd.Reason
	case kinds != "":
		return kinds
	case d.cmd.Actor.Node():
		return "Reported"
	case d.cmd.Actor.System():
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
		return tooLarge("the transaction", size, proto.MaxEnvelope)
	}
	return nil
}
