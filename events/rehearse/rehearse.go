// Package rehearse decides a recorded transaction again, to see whether another
// version of the rules would do the same.
//
// What comes in: the state before a transaction, the transaction, and the state
// after it. What goes out: where deciding now comes to something else.
//
// What never happens here: I/O, a clock reading (the transaction's own time
// counts), a guess that is passed for a fact: the log has outcomes and not
// requests, so each object is asked for as it came out. What that changes by
// itself is the same in every version; compare two.
//
// Start with this file; action.go says what is asked for.
package rehearse

import (
	"fmt"

	"segno/events"
	"segno/events/fields"
	"segno/proto"
)

// Outcome is what would become of one object of a transaction, where that is not
// what was recorded.
type Outcome struct {
	Key  proto.ObjectKey
	Fact string // that was recorded
	// Refused is why it would not be done; "" when it would.
	Refused string
	// Changes are the fields that would be others: old is recorded, new decided.
	Changes []fields.Change
}

// Again decides a transaction again. Facts are what would be recorded, each with
// its reason, in order; where a component gives the reason itself, that is not
// known here. The error tells that a view could not be read.
func Again(table *events.Table, before, after events.View, env *proto.Envelope) (outcomes []Outcome, facts []string, err error) {
	overlay := events.NewOverlay(table, before)
	r := rehearsal{table: table, overlay: overlay, env: env}
	for _, touched := range touchedBy(env) {
		is, err := after.Get(touched.Key)
		if err != nil {
			return nil, nil, err
		}
		outcome, err := r.object(touched, is)
		if err != nil {
			return nil, nil, err
		}
		if outcome != nil {
			outcomes = append(outcomes, *outcome)
		}
	}
	return outcomes, r.facts, nil
}

// touched is an object of a transaction and what happened to it.
type touched struct {
	Key          proto.ObjectKey
	Fact         string
	spec, status bool
}

// touchedBy are the objects of a transaction, in its order.
func touchedBy(env *proto.Envelope) (out []touched) {
	place := map[proto.ObjectKey]int{}
	for i := range env.Events {
		ev := &env.Events[i]
		if ev.Section == proto.SectionMark {
			continue
		}
		n, ok := place[ev.Key]
		if !ok {
			n = len(out)
			place[ev.Key] = n
			out = append(out, touched{Key: ev.Key, Fact: ev.Kind})
		}
		out[n].spec = out[n].spec || ev.Section != proto.SectionStatus
		out[n].status = out[n].status || ev.Section == proto.SectionStatus
	}
	return out
}

// rehearsal is one transaction decided again, object by object.
type rehearsal struct {
	table   *events.Table
	overlay *events.Overlay
	env     *proto.Envelope
	facts   []string
}

func (r *rehearsal) object(t touched, is events.Object) (*Outcome, error) {
	was, err := r.overlay.Get(t.Key)
	if err != nil {
		return nil, err
	}
	decided := was
	for _, action := range actions(t, was, is) {
		decision, err := events.Decide(r.table, r.overlay, events.Command{
			Actor: r.env.Actor, Cause: r.env.Cause, Correlation: r.env.Correlation, Via: r.env.Via, Action: action,
		}, r.env.At)
		if err != nil {
			return &Outcome{Key: t.Key, Fact: t.Fact, Refused: err.Error()}, nil
		}
		for i := range decision.Events {
			r.facts = append(r.facts, decision.Events[i].Kind+" ("+decision.Events[i].Reason+")")
		}
		r.overlay.Push(r.overlay.Seq()+1, decision)
		if decided, err = r.overlay.Get(t.Key); err != nil {
			return nil, err
		}
	}
	changes, err := fields.Diff(is, decided)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", t.Key, err)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return &Outcome{Key: t.Key, Fact: t.Fact, Changes: changes}, nil
}
