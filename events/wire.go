package events

import (
	"segno/proto"
)

// Event is what happened to one object, or to the log, in one of four shapes
// over the one wire form. The fold is a switch over them; Read makes one of
// any wire event, and Wire gives that back.
//
//sumtype:decl
type Event interface {
	// Wire is the event as it lies in the log.
	Wire() *proto.Event
	shape()
}

// Specified says what an object's metadata and spec are from now on: it was
// created or changed.
type Specified struct{ wire *proto.Event }

// Observed says what an object's status is from now on.
type Observed struct{ wire *proto.Event }

// Ended says that an object is gone.
type Ended struct{ wire *proto.Event }

// Marked is about the log and changes no object: a new leader, or a section
// that a later segno wrote and this one does not know.
type Marked struct{ wire *proto.Event }

func (Specified) shape() {}
func (Observed) shape()  {}
func (Ended) shape()     {}
func (Marked) shape()    {}

// Wire is the event as it lies in the log.
func (e Specified) Wire() *proto.Event { return e.wire }

// Wire is the event as it lies in the log.
func (e Observed) Wire() *proto.Event { return e.wire }

// Wire is the event as it lies in the log.
func (e Ended) Wire() *proto.Event { return e.wire }

// Wire is the event as it lies in the log.
func (e Marked) Wire() *proto.Event { return e.wire }

// Read tells the shape of a wire event. It is total, costs no allocation, and
// keeps the pointer.
func Read(ev *proto.Event) Event {
	switch ev.Section {
	case proto.SectionSpec:
		return Specified{ev}
	case proto.SectionStatus:
		return Observed{ev}
	case proto.SectionGone:
		return Ended{ev}
	case proto.SectionMark:
		return Marked{ev}
	default:
		return Marked{ev}
	}
}

// head is what all shapes have in common.
type head struct {
	fact   Fact
	reason string
	key    proto.ObjectKey
	uid    string
}

func (h head) wire(section proto.Section) *proto.Event {
	return &proto.Event{Kind: string(h.fact), Reason: h.reason, Key: h.key, UID: h.uid, Section: section}
}

func (h head) specified(body []byte) Event {
	e := h.wire(proto.SectionSpec)
	e.Encoding, e.Body = proto.EncodingProtobuf, body
	return Specified{e}
}

func (h head) observed(body []byte) Event {
	e := h.wire(proto.SectionStatus)
	e.Encoding, e.Body = proto.EncodingProtobuf, body
	return Observed{e}
}

func (h head) ended() Event { return Ended{h.wire(proto.SectionGone)} }

func (h head) marked() Event { return Marked{h.wire(proto.SectionMark)} }
