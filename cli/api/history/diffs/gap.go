package diffs

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"segno/cli/api/history"
	"segno/events"
	"segno/proto"
)

// Lookup answers a transaction of the log, or nil when it is not there.
type Lookup func(proto.Seq) (*proto.Envelope, error)

// Stops finds where between two transactions a control plane took over from
// another one, or from itself: nothing was recorded between the transaction before
// an election and its mark. Terms never fall, so that few transactions need to
// be read.
func Stops(first, last proto.Seq, lookup Lookup) (out []Gap, err error) {
	if last <= first {
		return nil, nil
	}
	ends := map[proto.Seq]*proto.Envelope{}
	for _, seq := range []proto.Seq{first, last} {
		if ends[seq], err = lookup(seq); err != nil || ends[seq] == nil {
			return nil, err
		}
	}
	return stops(ends[first], ends[last], lookup)
}

func stops(a, b *proto.Envelope, lookup Lookup) ([]Gap, error) {
	if a.Term == b.Term {
		return nil, nil
	}
	if b.Seq == a.Seq+1 {
		return []Gap{{Sort: Stopped, From: Moment{Seq: a.Seq, Time: a.At}, To: Moment{Seq: b.Seq, Time: b.At}}}, nil
	}
	middle, err := lookup(a.Seq + (b.Seq-a.Seq)/2)
	if err != nil || middle == nil {
		return nil, err
	}
	before, err := stops(a, middle, lookup)
	if err != nil {
		return nil, err
	}
	after, err := stops(middle, b, lookup)
	return append(before, after...), err
}

// Silences finds when a node was not heard: from its newest version at or before
// last back to what it was as of first. version is the node's newest version at or
// before a sequence, nil when there is none.
func Silences(table *events.Table, name proto.NodeName, first, last proto.Seq, version func(proto.Seq) (*history.Version, error)) (out []Gap, err error) {
	var spell *Gap  // that is followed back
	var next Moment // the version after that which is looked at
	for at := last; ; {
		v, err := version(at)
		if err != nil {
			return nil, err
		}
		if v == nil {
			break
		}
		rec := v.Record
		if !rec.Deleted && rec.StatusSeq > 0 && rec.StatusSeq < rec.Seq {
			at = rec.StatusSeq // since then it has said nothing
			continue
		}
		silent := false
		if !rec.Deleted {
			if silent, err = unheard(table, rec); err != nil {
				return nil, err
			}
		}
		now := Moment{Seq: rec.Seq, Time: rec.At}
		switch {
		case silent && spell == nil:
			spell = &Gap{Sort: Silent, Node: name, From: now, To: next}
		case silent:
			spell.From = now
		case spell != nil:
			out, spell = append(out, *spell), nil
		}
		if next = now; rec.Seq <= first && !silent {
			break
		}
		at = rec.Seq - 1
	}
	if spell != nil {
		out = append(out, *spell)
	}
	slices.Reverse(out)
	return out, nil
}

// unheard tells whether the control plane has marked a node as silent.
func unheard(table *events.Table, rec *events.Record) (bool, error) {
	obj, err := table.Decode(rec)
	if err != nil {
		return false, err
	}
	node, ok := obj.(*corev1.Node)
	if !ok {
		return false, fmt.Errorf("%s is no node", rec.Key)
	}
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionUnknown
	}), nil
}
