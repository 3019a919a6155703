package undo

import (
	"math"
	"time"

	"segno/events"
	"segno/proto"
)

// Past is the log as it can be read back.
type Past interface {
	// At is the state after a transaction; 0 is before the first one.
	At(seq proto.Seq) (events.View, error)
	// Envelope is one transaction; nil when it is no longer kept.
	Envelope(seq proto.Seq) (*proto.Envelope, error)
	// Version is the newest version of an object up to a sequence, a tombstone when
	// it was gone then; nil when there was none.
	Version(key proto.ObjectKey, last proto.Seq) (*events.Record, error)
}

// Planner makes plans from one state.
type Planner struct {
	Table *events.Table
	Now   events.View // the newest state of the log of the truth
	Past  Past
	At    time.Time // for admission, which is asked whether the plan can be carried out
}

const newest = proto.Seq(math.MaxUint64)

// versions yields the versions of an object's spec after a sequence, newest
// first, each with the one before it; nil is no object.
func (p *planning) versions(key proto.ObjectKey, since proto.Seq, each func(seq proto.Seq, before, after events.Object) error) error {
	const most = 1000 // who changed a field more versions ago is not told
	last := newest
	for range most {
		is, err := p.Past.Version(key, last)
		if err != nil || is == nil || is.Seq <= since {
			return err
		}
		at := is.SpecSeq
		if is.Deleted {
			at = is.Seq
		}
		if at <= since {
			return nil
		}
		after, err := p.versionAt(key, at)
		if err != nil {
			return err
		}
		before, err := p.versionAt(key, at-1)
		if err != nil {
			return err
		}
		if err := each(at, before, after); err != nil {
			return err
		}
		last = at - 1
	}
	return nil
}

func (p *planning) versionAt(key proto.ObjectKey, seq proto.Seq) (events.Object, error) {
	record, err := p.Past.Version(key, seq)
	if err != nil || record == nil || record.Deleted {
		return nil, err
	}
	return p.Table.Decode(record)
}

// authorOf is who made a transaction.
func (p *planning) authorOf(seq proto.Seq) (Author, error) {
	env, err := p.Past.Envelope(seq)
	if err != nil || env == nil {
		return Author{Seq: seq}, err
	}
	return Author{Seq: seq, Actor: env.Actor, Time: env.At, Via: env.Via}, nil
}
