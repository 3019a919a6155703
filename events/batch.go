package events

import (
	"fmt"

	"segno/proto"
)

// batch decides one action after the other, each on what those before it
// leave, as one transaction. One refusal refuses all and names its item,
// counted from 1.
func (d *decider) batch(b Batch) (Decision, error) {
	over := NewOverlay(d.table, d.view)
	seq := d.view.Seq() + 1
	step := *d
	step.view = over
	var all Decision
	for i, action := range b {
		one, err := step.decide(action)
		if err != nil {
			return Decision{}, fmt.Errorf("item %d of %d (%s %s): %w", i+1, len(b), verbOf(action), keyOf(action), err)
		}
		over.Push(seq, one)
		all.Verb = commonVerb(all.Verb, one.Verb)
		all.Events = append(all.Events, one.Events...)
		all.Touched = append(all.Touched, one.Touched...)
		all.Warnings = append(all.Warnings, one.Warnings...)
		all.Object, all.Created, all.Deleted = one.Object, one.Created, one.Deleted
	}
	if err := sized(all.Events); err != nil {
		return Decision{}, err
	}
	return all, nil
}

func commonVerb(so, next string) string {
	if so == "" || so == next {
		return next
	}
	return VerbBatch
}

func verbOf(action Action) string {
	switch action.(type) {
	case Create:
		return VerbCreate
	case Update:
		return VerbUpdate
	case Patch:
		return VerbPatch
	case Delete:
		return VerbDelete
	case Bind:
		return VerbBind
	case Elect:
		return VerbElect
	case Batch:
		return VerbBatch
	default:
		return "?"
	}
}

// elect marks a new leader in the log: about no object, so that nothing folds.
func (d *decider) elect(e Elect) (Decision, error) {
	return Decision{Verb: VerbElect, Events: []proto.Event{{
		Kind:    string(LeaderElected),
		Reason:  d.reason("Elected"),
		Key:     proto.ObjectKey{Name: e.ID},
		Section: proto.SectionMark,
	}}}, nil
}
