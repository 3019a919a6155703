package api

import (
	"context"
	"net"
	"time"

	"segno/events"
	"segno/proto"
)

// Store is the cluster as the API needs it. Kinds live in several logs
// (Kind.Stream); the store routes by kind, and every sequence that passes here
// belongs to the log of the kind it passes with. Errors that are a client's
// affair are Statuses (410 Expired for what is no longer kept). Package
// cli/api/logs has one over projections.
type Store interface {
	// Submit decides the command and answers once it is durable.
	Submit(ctx context.Context, cmd events.Command) (events.Outcome, error)
	// View is the newest state of the kind's log.
	View(kind *events.Kind) events.View
	// At is the state of the kind's log as of a sequence of that log.
	At(ctx context.Context, kind *events.Kind, seq proto.Seq) (events.View, error)
	// Resolve answers the newest transaction of the kind's log at the moment, and
	// the moment's clock time.
	Resolve(ctx context.Context, kind *events.Kind, moment Moment) (proto.Seq, time.Time, error)
	// Follow opens what happens to objects of the kind after the sequence.
	Follow(kind *events.Kind, after proto.Seq) (Feed, error)
}

// Feed is what happens to the objects of one kind, in log order, without a
// gap. It is for one goroutine. A projections.Subscription that merges objects
// is most of one.
type Feed interface {
	// Next waits for a transaction that changed objects of the kind, and answers
	// one Change for each of them. What is there already is answered even when
	// ctx has ended.
	Next(ctx context.Context) ([]events.Change, error)
	// Object decodes a record of a Change; followers share the answer.
	Object(record *events.Record) (events.Object, error)
	// Seen is a sequence up to which Next has answered everything.
	Seen() proto.Seq
	// Close ends the feed.
	Close()
}

// Moment is a point of the past: a sequence of the EVENTS log when Seq is set,
// whatever the kind (the other logs answer for its clock time), else a time.
type Moment struct {
	Seq  proto.Seq
	Time time.Time
}

// Nodes reaches the HTTP server of a node's agent.
type Nodes interface {
	DialNode(ctx context.Context, node proto.NodeName) (net.Conn, error)
}
